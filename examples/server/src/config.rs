//! `opsconductor apply`: configuration as code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use opsconductor_core::{Error, ErrorKind, Problem, config::Desired, engine::ConfigChange};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    job::engine,
    runtime,
    store::StoreOptions,
};

/// How many files are read, and how deep below the folder.
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;

/// The longest file: what the library takes, and a byte to see that there is more.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 + 1;

/// What `apply` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:\n  \
    0  it is as the files say, or was made so\n  \
    1  with --plan: something differs\n  \
    2  the files do not hold, or a change was refused; what was made before it stays\n  \
    3  the store cannot be used")]
pub(crate) struct ConfigOptions {
    /// A file, or a folder whose files in YAML and JSON are read, those below it too. May be given again.
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
    /// Only say what differs.
    #[arg(long)]
    plan: bool,
    /// Remove targets and jobs that the files do not have. A job that has runs is put out of use.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    store: StoreOptions,
    /// Print the changes as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Makes the store what the files say, or says what differs.
pub(crate) fn apply(options: &ConfigOptions) -> Result<Ended, Error> {
    let done = read(&options.files).and_then(|desired| {
        runtime::run(async {
            let engine = engine(&options.store).await?;
            let ops = engine.local();
            let changes = match options.plan {
                true => ops.config().plan(&desired, options.prune).await,
                false => ops.config().apply(&desired, options.prune).await,
            };
            engine.close().await;
            changes
        })
    });
    match done {
        Ok(changes) => show(options, &changes),
        Err(error) if !error.problems().is_empty() => refused(error.problems(), options.json),
        Err(error) => Err(error),
    }
}

fn show(options: &ConfigOptions, changes: &[ConfigChange]) -> Result<Ended, Error> {
    if options.json {
        answer(&json!({"changes": changes, "applied": !options.plan}).to_string())?;
    } else {
        for change in changes {
            let differs = match change.differs.as_slice() {
                [] => String::new(),
                differs => format!(" ({})", differs.join(", ")),
            };
            let line = format!("{} {} {}", change.action.as_str(), change.kind, change.name);
            answer(&format!("{}{differs}", line.trim_end()))?;
        }
        say(&match (changes.len(), options.plan) {
            (0, _) => "nothing differs".to_owned(),
            (1, true) => "1 change would be made".to_owned(),
            (many, true) => format!("{many} changes would be made"),
            (1, false) => "1 change was made".to_owned(),
            (many, false) => format!("{many} changes were made"),
        });
    }
    Ok(if options.plan && !changes.is_empty() { Ended::RunFailed } else { Ended::Well })
}

fn refused(problems: &[Problem], as_json: bool) -> Result<Ended, Error> {
    if as_json {
        answer(&json!({"problems": problems}).to_string())?;
    }
    for problem in problems.iter().filter(|_| !as_json) {
        say(&problem.to_string());
    }
    Ok(Ended::InputRefused)
}

fn read(paths: &[PathBuf]) -> Result<Desired, Error> {
    let mut files = Vec::new();
    for path in paths {
        match fs::metadata(path).map_err(|source| unreadable(path, source))?.is_dir() {
            true => below(path, DEPTH_MAX, &mut files)?,
            false => files.push(path.clone()),
        }
    }
    if files.is_empty() {
        let message = "there is no file in YAML or JSON; their names end in .yaml, .yml or .json";
        return Err(Error::new(ErrorKind::InvalidInput, message).with("path", paths[0].display()));
    }
    let mut desired = Desired::default();
    let mut problems = Vec::new();
    for file in &files {
        let bytes = open(file).map_err(|source| unreadable(file, source))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "it is not UTF-8 text; save it as UTF-8")
                .with("file", file.display())
        })?;
        match desired.add(&file.display().to_string(), &text) {
            Err(error) if !error.problems().is_empty() => problems.extend_from_slice(error.problems()),
            added => added?,
        }
    }
    match problems.is_empty() {
        true => Ok(desired),
        false => {
            Err(Error::with_problems(ErrorKind::InvalidInput, "the configuration does not hold", problems))
        }
    }
}

fn open(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files of a folder in the order of their names. Hidden ones, such as those of a version control, are none.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let fault =
        |message: &str| Err(Error::new(ErrorKind::InvalidInput, message).with("folder", folder.display()));
    if depth == 0 {
        return fault("folders are nested too deep");
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|source| unreadable(folder, source))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        let path = entry.path();
        if path.is_dir() {
            below(&path, depth - 1, files)?;
        } else if path
            .extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
        {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return fault("there are too many files");
        }
    }
    Ok(())
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidInput, "it cannot be read").with("path", path.display()).with_source(source)
}
