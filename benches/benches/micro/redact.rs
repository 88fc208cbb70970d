//! Output of a command on its way to the log, with the secrets taken out.

use std::error::Error;
use std::hint::black_box;

use opsconductor_benches::Bench;
use opsconductor_core::Secret;
use opsconductor_core::run::redact::{MASK, Redactor};

const OUTPUT_BYTES: usize = 1 << 20;
const CHUNK_BYTES: usize = 16 * 1024;
/// How many lines lie between two that show a secret.
const SECRET_EVERY: usize = 200;

/// `redact.throughput`: a megabyte of log lines in chunks, three secrets looked for, one of them found now and then.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let secrets = ["correct horse battery staple", "Tr0ub4dor&3", "sk-4f9d2c7b81"].map(Secret::from);
    let redactor = Redactor::new(&secrets)?;
    let output = output(secrets[1].expose());

    let redacted = redactor.redact_bytes(&output);
    assert!(redacted.windows(MASK.len()).any(|window| window == MASK.as_bytes()));

    let mut written = Vec::with_capacity(OUTPUT_BYTES);
    stream(&redactor, &output, &mut written);
    assert_eq!(written, redacted);

    bench.throughput("redact.throughput", output.len(), |iterations| {
        for _ in 0..iterations {
            stream(&redactor, black_box(&output), &mut written);
            black_box(&written);
        }
    })?;
    Ok(())
}

fn stream(redactor: &Redactor, output: &[u8], written: &mut Vec<u8>) {
    written.clear();
    let mut stream = redactor.stream();
    for chunk in output.chunks(CHUNK_BYTES) {
        stream.push(chunk, written);
    }
    stream.finish(written);
}

/// Log lines, some of which show the secret.
fn output(secret: &str) -> Vec<u8> {
    let mut text = String::with_capacity(OUTPUT_BYTES + 128);
    let mut line = 0;
    while text.len() < OUTPUT_BYTES {
        line += 1;
        let shown = if line % SECRET_EVERY == 0 { secret } else { "svc-account" };
        text.push_str(&format!(
            "2026-01-01T00:00:00Z INFO service[{line}] connected as {shown}, state Running\r\n"
        ));
    }
    text.into_bytes()
}
