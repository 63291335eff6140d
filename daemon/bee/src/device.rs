//! What this bee computes with, as the queen and the executions name it.

use swarm_host::machine;
use swarm_types::api::Device;
use swarm_types::{B256, sha256};

/// The processor as a device; the CPU engine runs on it.
pub(crate) fn cpu(memory_mib: Option<u32>) -> Device {
    Device {
        name: machine::cpu_name(),
        uuid: None,
        // A box that does not say how much it has is offered nothing that needs memory.
        memory_mib: memory_mib.or_else(machine::memory_mib).unwrap_or(0),
    }
}

/// `device` of an execution: SHA-256 of the GPU UUID, or of `cpu:<model name>`.
pub(crate) fn digest(device: &Device) -> B256 {
    match &device.uuid {
        Some(uuid) => sha256(uuid),
        None => sha256(format!("cpu:{}", device.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_its_uuid_or_its_processor() {
        let mut device = cpu(Some(512));
        assert_eq!(device.memory_mib, 512);
        assert_eq!(digest(&device), sha256(format!("cpu:{}", device.name)));
        device.uuid = Some("GPU-1".into());
        assert_eq!(digest(&device), sha256("GPU-1"));
    }
}
