#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((which, bytes)) = data.split_first() {
        let _ = swarm_hostile::targets::bundle(usize::from(*which), bytes);
    }
});
