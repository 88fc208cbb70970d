#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn environment(set: &[(&str, &str)]) -> Result<Keyring> {
    Keyring::from_variables(|name| {
        set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.into())
    })
}

fn refused<T>(result: Result<T>, why: &str) {
    let error = result.err().expect("it must be refused");
    assert_eq!(error.kind(), ErrorKind::Vault);
    assert!(error.report().contains(why), "{}", error.report());
    for key in [ONE, TWO] {
        assert!(!format!("{error:?}").contains(&key[..10]), "{error:?}");
    }
}

#[test]
fn the_environment_gives_one_key_or_several() {
    let one = environment(&[(KEY_VARIABLE, ONE)]).unwrap();
    assert_eq!(one.current().id(), "630dcd2966c43366");
    let several = environment(&[(KEYS_VARIABLE, &format!("new:{TWO}, old:part:{ONE}"))]).unwrap();
    assert_eq!(several.current().id(), "new");
    assert_eq!(several.iter().map(MasterKey::id).collect::<Vec<_>>(), ["new", "old:part"]);
    let unnamed = environment(&[(KEYS_VARIABLE, &format!("{TWO},{ONE}"))]).unwrap();
    assert!(unnamed.get("630dcd2966c43366").is_some());
}

#[test]
fn there_is_no_default_key() {
    refused(environment(&[]), KEY_VARIABLE);
    refused(environment(&[(KEY_VARIABLE, "")]), KEY_VARIABLE);
}

#[test]
fn a_bad_environment_is_named() {
    refused(environment(&[(KEY_VARIABLE, ONE), (KEYS_VARIABLE, TWO)]), "both");
    refused(environment(&[(KEY_VARIABLE, "short")]), KEY_VARIABLE);
    refused(environment(&[(KEYS_VARIABLE, &format!("a:{ONE},a:{TWO}"))]), "same id");
    refused(environment(&[(KEYS_VARIABLE, &format!("a:{ONE},b:{ONE}x"))]), "entry 2");
    refused(environment(&[(KEYS_VARIABLE, &format!("a:{ONE},"))]), "entry 2");
    refused(environment(&[(KEYS_VARIABLE, &format!(":{ONE}"))]), "key id");
}

#[test]
fn former_keys_open_and_the_current_one_seals() {
    let context = Context::new().with("id", "7");
    let old = Keyring::new(MasterKey::parse(ONE).unwrap());
    let sealed = old.seal(b"hunter2", &context).unwrap();

    let rotated =
        Keyring::new(MasterKey::parse(TWO).unwrap()).with_former(MasterKey::parse(ONE).unwrap()).unwrap();
    assert_eq!(rotated.open(&sealed, &context).unwrap().expose(), b"hunter2");
    let rewrapped = rotated.rewrap(&sealed, &context).unwrap();
    refused(old.open(&rewrapped, &context), "no key with this id");
    let new_alone = Keyring::new(MasterKey::parse(TWO).unwrap());
    assert_eq!(new_alone.open(&rewrapped, &context).unwrap().expose(), b"hunter2");
    refused(new_alone.open(&sealed, &context), "no key with this id");
    assert_eq!(rotated.current().wraps(), 1);
}

#[test]
fn a_keyring_is_bounded() {
    let key = |n: usize| MasterKey::parse(ONE).unwrap().with_id(format!("k{n}")).unwrap();
    let full = (1..KEYS_MAX).try_fold(Keyring::new(key(0)), |ring, n| ring.with_former(key(n))).unwrap();
    refused(full.with_former(key(KEYS_MAX)), "at most 64");
}

/// A directory that is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("opsconductor-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_is_read_when_its_owner_alone_can() {
    let scratch = Scratch::new("keys");
    let good = scratch.file("good", &format!("# made in May\n\nnew:{TWO}\n{ONE}\n"), 0o600);
    let ring = Keyring::from_file(&good).unwrap();
    assert_eq!(ring.iter().map(MasterKey::id).collect::<Vec<_>>(), ["new", "630dcd2966c43366"]);

    // As mounted secrets do: the name is a link, and what counts is the file it leads to.
    let link = scratch.0.join("link");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    assert_eq!(Keyring::from_file(&link).unwrap().current().id(), "new");

    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        refused(Keyring::from_file(scratch.file("open", ONE, mode)), "chmod 600");
    }
    let open_link = scratch.0.join("open-link");
    std::os::unix::fs::symlink(scratch.file("open", ONE, 0o644), &open_link).unwrap();
    refused(Keyring::from_file(open_link), "chmod 600");
}

#[cfg(unix)]
#[test]
fn what_is_not_a_key_file_is_refused() {
    let scratch = Scratch::new("not-keys");
    refused(Keyring::from_file(scratch.0.join("absent")), "cannot be read");
    refused(Keyring::from_file(&scratch.0), "not a regular file");
    refused(Keyring::from_file(Path::new("/dev/zero")), "not a regular file");
    refused(Keyring::from_file(scratch.file("large", &"#".repeat(40_000), 0o600)), "too large");
    refused(Keyring::from_file(scratch.file("empty", "# nothing\n", 0o600)), "no master key");
    refused(Keyring::from_file(scratch.file("bad", &format!("{ONE}\nnonsense\n"), 0o600)), "entry 2");
}

#[cfg(unix)]
#[test]
fn a_new_key_file_is_private_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new("new-keys");
    let path = scratch.0.join("key");
    create_key_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let id = Keyring::from_file(&path).unwrap().current().id().to_owned();
    refused(create_key_file(&path), "cannot be written");
    assert_eq!(Keyring::from_file(&path).unwrap().current().id(), id);
}

#[cfg(unix)]
#[test]
fn a_key_is_taken_out_of_its_file_and_all_else_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new("fewer-keys");
    let file =
        scratch.file("keys", &format!("# made in May\n new:{TWO}\n\n# the old one\n{ONE}\n# end"), 0o600);
    let link = scratch.0.join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let text = || std::fs::read_to_string(&file).unwrap();
    let before = text();
    let absent = remove_from_key_file(&file, "other").unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent}");
    let current = remove_from_key_file(&file, "new").unwrap_err();
    assert_eq!(current.kind(), ErrorKind::Conflict, "{current}");
    assert_eq!(text(), before);

    remove_from_key_file(&link, "630dcd2966c43366").unwrap();
    assert_eq!(text(), format!("# made in May\n new:{TWO}\n\n# the old one\n# end"));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is still one");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 2, "nothing is left beside it");

    refused(remove_from_key_file(scratch.file("open", ONE, 0o644), "x"), "chmod 600");
    refused(remove_from_key_file(scratch.file("bad", &format!("{ONE}\nnonsense\n"), 0o600), "x"), "256 bits");
    refused(remove_from_key_file(scratch.0.join("absent"), "x"), "cannot be read");
}

#[tokio::test]
async fn a_keyring_is_a_provider() {
    let ring: Arc<dyn KeyProvider> =
        Arc::new(environment(&[(KEYS_VARIABLE, &format!("a:{ONE},b:{TWO}"))]).unwrap());
    assert_eq!(ring.current_id().await.unwrap(), "a");
    assert_eq!(ring.ids().await.unwrap(), ["a", "b"]);
    assert_eq!(ring.key("b").await.unwrap().id(), "b");
    refused(ring.key("c").await, "no key with this id");
}

#[tokio::test]
async fn a_callback_is_asked_once_per_key_and_only_for_its_own() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let keys = CallbackKeys::new("kms/2", ["kms/1", "kms/bad"], |id| async move {
        ASKED.fetch_add(1, Ordering::SeqCst);
        match id.as_str() {
            "kms/2" => Ok(Secret::from(TWO)),
            "kms/1" => Ok(Secret::from(ONE)),
            _ => Ok(Secret::from("AAAA")),
        }
    })
    .unwrap();
    assert_eq!(keys.current_id().await.unwrap(), "kms/2");
    let (first, second) = (keys.key("kms/1").await.unwrap(), keys.key("kms/1").await.unwrap());
    assert!(Arc::ptr_eq(&first, &second), "the count of wraps would be lost");
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    refused(keys.key("elsewhere").await, "no key with this id");
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    refused(keys.key("kms/bad").await, "kms/bad");
    refused(keys.key("kms/bad").await, "is 24");
    assert_eq!(ASKED.load(Ordering::SeqCst), 3, "a failure is not remembered");
    assert_eq!(keys.ids().await.unwrap(), ["kms/2", "kms/1", "kms/bad"]);
    refused(CallbackKeys::new("a", ["a"], |_| async { Ok(Secret::from(ONE)) }), "same id");
}
