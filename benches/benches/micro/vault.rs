//! A credential of 200 bytes, sealed and opened again.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use opsconductor_benches::Bench;
use opsconductor_core::id::{CredentialId, TenantId};
use opsconductor_core::vault::{Keyring, MasterKey, RecordContext, Vault, generate_key};

const SECRET_BYTES: usize = 200;

/// `vault.seal_open`: one seal and one open, on one core.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let keys = Keyring::new(MasterKey::parse(generate_key()?.expose())?);
    let vault = Vault::new("bench", Arc::new(keys))?;
    let place = RecordContext::credential(TenantId::new(1), CredentialId::new(7), "winrm", 1);
    let secret = [b's'; SECRET_BYTES];
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let sealed = runtime.block_on(vault.seal(&place, &secret))?;
    assert_eq!(runtime.block_on(vault.open(&place, &sealed))?.expose(), &secret);

    bench.time("vault.seal_open", |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                let sealed = vault.seal(&place, black_box(&secret)).await;
                let _ = black_box(vault.open(&place, sealed.as_deref().unwrap_or_default()).await);
            }
        });
    })?;
    Ok(())
}
