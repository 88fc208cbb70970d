//! Secret parameters from the command line: never among the arguments.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::scene::{Scene, text};

const CANARY: &str = "c4nary 7yV/q+Zw";

const JOB: &str = "
name: login
version: 1
parameterSchema:
  properties:
    pw: {type: string, secret: true}
    svc: {type: string, default: Spooler}
  required: [pw]
steps:
  - {type: winrm.exec, shell: powershell, target: win-0, command: 'Write-Output {{ svc }} {{ pw | quote }}'}
";

/// What came of a command; what it said never holds the secret.
struct Said {
    code: Option<i32>,
    answer: String,
    told: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let (answer, told) = (text(&output.stdout), text(&output.stderr));
        assert!(!answer.contains(CANARY) && !told.contains(CANARY), "{answer} {told}");
        Self { code: output.status.code(), answer, told }
    }
}

fn run(command: &mut Command, input: Option<&str>) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    Said::of(&child.wait_with_output().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_comes_from_a_file_standard_input_or_the_environment_and_not_from_an_argument() {
    let scene = Scene::sqlite().await;
    scene.targets(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (job, key) = (file("job.yaml", JOB), scene.key().to_str().unwrap().to_owned());
    let ask = |arguments: &[&str]| run(&mut scene.command(arguments), None);
    assert_eq!(ask(&["job", "apply", &job]).code, Some(0));

    // Refused before a run is made, and before a key is asked for.
    for argument in [format!("pw={CANARY}"), format!("pw:=\"{CANARY}\"")] {
        for command in [&["job", "run", "login"][..], &["job", "plan", &job][..]] {
            let said = ask(&[command, &["-p", &argument]].concat());
            assert_eq!(said.code, Some(2), "{}", said.told);
            assert!(said.told.contains("--parameter-env") && said.told.contains("pw"), "{}", said.told);
        }
    }
    let parameters = file("parameters.yaml", &format!("pw: {CANARY}\n"));
    let without_key = ask(&["job", "run", "login", "--parameters", &parameters]);
    assert_eq!(without_key.code, Some(3));
    assert!(without_key.told.contains("OPSCONDUCTOR_KEY"), "{}", without_key.told);
    let broken = file("broken.yaml", &format!("pw: *{CANARY}\n"));
    let said = ask(&["job", "run", "login", "--key", &key, "--parameters", &broken]);
    assert_eq!(said.code, Some(2));
    assert!(said.told.contains("cannot be read"), "{}", said.told);

    let planned = ask(&["job", "plan", &job, "--parameters", &parameters]);
    assert!(
        planned.answer.contains("Write-Output Spooler '[secret]'"),
        "{} {}",
        planned.answer,
        planned.told
    );
    let digest = planned.answer.lines().find_map(|line| line.strip_prefix("digest ")).unwrap();

    let worker = scene.worker(2);
    let base = ["job", "run", "login", "--key", &key, "--follow", "--json", "-p", "svc=Themes"];
    let with = |more: &[&str]| scene.command(&[&base, more].concat());
    let from_file = run(&mut with(&["--parameters", &parameters]), None);
    let from_input = run(&mut with(&["--parameters", "-"]), Some(&format!("{{\"pw\": \"{CANARY}\"}}")));
    let from_environment = run(with(&["--parameter-env", "pw=LOGIN_PW"]).env("LOGIN_PW", CANARY), None);
    for said in [from_file, from_input, from_environment] {
        assert_eq!(said.code, Some(0), "{}", said.told);
        assert!(said.told.contains("[redacted]"), "{}", said.told);
        let answer: Value = serde_json::from_str(&said.answer).unwrap();
        assert_eq!(answer["runs"][0]["status"], "succeeded");
    }
    let held = ["job", "run", "login", "--key", &key, "--plan-digest", digest, "--parameters", &parameters];
    assert_eq!(ask(&held).code, Some(0), "the digest holds");
    let absent = ask(&["job", "run", "login", "--key", &key, "--parameter-env", "pw=NO_SUCH_VARIABLE"]);
    assert_eq!(absent.code, Some(2));
    assert!(absent.told.contains("NO_SUCH_VARIABLE"), "{}", absent.told);
    assert_eq!(worker.told_to_stop("TERM").await.code(), Some(0));
    for file in std::fs::read_dir(scene.key().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "it is in a file");
    }
}
