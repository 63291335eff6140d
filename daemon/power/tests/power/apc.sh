# A PDU's outlets for snmpd's `pass`: -g OID reads, -n OID gives the next, -s OID TYPE VALUE sets.
base=.1.3.6.1.4.1.318.1.1.4.4.2.1.3
state=$(dirname "$0")/outlets
case $1 in
-g) number=${2#"$base".}; [ -f "$state/$number" ] || exit 0
    echo "$2"; echo integer; cat "$state/$number" ;;
-s) number=${2#"$base".}; [ -f "$state/$number" ] || { echo not-writable; exit 0; }
    echo "$4" >"$state/$number" ;;
esac
