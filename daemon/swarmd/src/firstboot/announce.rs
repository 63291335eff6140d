//! What the console says, for a person with nothing but a screen or a serial line.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::config::BoxConfig;
use super::files::Root;
use super::keys::PublicHalves;
use super::render::queen_port;

/// An address of the documentation range: a route to it is the route to everywhere. Nothing is sent.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// The address under which others reach the box, once the network gave it one.
pub fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// A QR code for a terminal; nothing when the text is too long for one.
pub fn qr(text: &str) -> String {
    let code = QrCode::new(text.as_bytes());
    // Dark terminals: what a QR code calls light is what is drawn.
    let drawn = code.map(|code| {
        let mut render = code.render::<Dense1x2>();
        render.dark_color(Dense1x2::Light);
        render.light_color(Dense1x2::Dark);
        render.build()
    });
    drawn.unwrap_or_default()
}

/// Says who the box is now.
pub fn configured(root: &Root, config: &BoxConfig, made: &PublicHalves) {
    print!("{}", text(config, made, root.has_tpm(), address()));
}

/// The same as text.
pub fn text(config: &BoxConfig, made: &PublicHalves, tpm: bool, address: Option<IpAddr>) -> String {
    let mut out = format!("\nSwarmOS: {} is {}\n", config.name, config.role.name());
    let mut line = |text: &str| {
        out.push_str("  ");
        out.push_str(text);
        out.push('\n');
    };
    if !made.new.is_empty() {
        line(&format!("keys made in this box: {}", made.new.join(", ")));
        line(if tpm {
            "they are sealed by this box's TPM and open nowhere else"
        } else {
            "WARNING: this box has no TPM: whoever takes its disk has its keys"
        });
    }
    for (name, address) in &made.addresses {
        line(&format!("{name:<12} {address}"));
    }
    if let Some(fingerprint) = &made.fingerprint {
        let host = address.map_or_else(
            || format!("{}.local", config.name),
            |address| address.to_string(),
        );
        let url = format!("https://{host}:{}", queen_port(config));
        line(&format!("queen        {url}"));
        line(&format!("fingerprint  {fingerprint}"));
        line(
            "settler.key signs seals when the escrow knows it as a settler; gas.key needs some ETH",
        );
        if config.has_bee() {
            let bee = made.addresses.get(super::keys::BEE);
            let bee = bee.map_or("", String::as_str);
            line(&format!(
                "let the bee work: swarm bee approve {bee} --payee ADDRESS"
            ));
        }
        out.push_str(&qr(&url));
        out.push('\n');
    }
    out
}

/// Says that the box waits for its configuration.
pub fn waiting(url: &str, fingerprint: &str) {
    println!("\nSwarmOS: this box has no configuration.");
    println!(
        "  {}; or open this page and paste it:",
        super::source::PLACES
    );
    println!("{}", qr(url));
    println!("  {url}");
    println!("  the page's certificate has the SHA-256 fingerprint {fingerprint}");
}
