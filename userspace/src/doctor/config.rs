//! Checks of the configuration file: validity and ownership.

use std::{io, path::Path};

use super::{
    finding::Finding,
    ownership::{Owned, Wrong},
};
use sipward_engine::policy::Config;

const CHECK: &str = "config";

pub(super) struct Facts {
    path: String,
    file: File,
    /// Those that could be changed by others than root.
    open: Vec<Wrong>,
}

enum File {
    Valid,
    /// With what is wrong with it.
    Invalid(String),
    /// The operator named the file.
    Missing {
        named: bool,
    },
    Unseen,
}

/// The configuration, too, if there is a valid one.
pub(super) fn read(path: &Path, named: bool) -> (Facts, Option<Config>) {
    let loaded = Config::load(path).and_then(|config| {
        config.resolve()?.signatures.compile()?;
        Ok(config)
    });
    let owned = Owned::with_directory(path);
    let file = match (&loaded, &owned) {
        (Ok(_), _) => File::Valid,
        (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => File::Missing { named },
        (_, Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => File::Unseen,
        // The system names the path of an unreadable file; sipward's own errors name it themselves.
        (Err(_), _)
            if std::fs::File::open(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) =>
        {
            File::Unseen
        }
        (Err(error), _) => File::Invalid(error.to_string()),
    };
    let signatures = loaded.as_ref().ok().and_then(|config| config.signatures.as_deref());
    let signatures = signatures.and_then(|file| Owned::with_directory(file).ok());
    let all = owned.into_iter().chain(signatures).flatten();
    let facts = Facts {
        path: path.display().to_string(),
        file,
        open: all.filter_map(|owned| owned.changeable()).collect(),
    };
    (facts, loaded.ok())
}

pub(super) fn check(Facts { path, file, open }: &Facts) -> Vec<Finding> {
    let mut findings = vec![match file {
        File::Valid => Finding::ok(CHECK, format!("{path} is OK")),
        File::Invalid(error) => {
            Finding::bad(CHECK, error, format!("correct it; `sipward check {path}` checks it"))
        }
        File::Missing { named: true } => {
            Finding::bad(CHECK, format!("there is no {path}"), "name a file that exists")
        }
        File::Missing { named: false } => Finding::warn(
            CHECK,
            format!("there is no {path}"),
            "copy the example that comes with sipward there, and name your interface in it",
        ),
        File::Unseen => Finding::unseen(CHECK, path),
    }];
    findings.extend(open.iter().map(|(found, advice)| Finding::bad("config-owner", found, advice)));
    findings
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    fn with(file: File) -> Vec<Finding> {
        check(&Facts { path: "/etc/sipward/sipward.toml".to_owned(), file, open: Vec::new() })
    }

    #[test]
    fn a_file_is_right_or_it_is_said_what_is_wrong() {
        let path = "/etc/sipward/sipward.toml";
        says(&with(File::Valid)[0], State::Ok, &[path]);
        says(
            &with(File::Invalid("line 3: no".to_owned()))[0],
            State::Bad,
            &["line 3: no", "sipward check /etc"],
        );
        says(&with(File::Missing { named: true })[0], State::Bad, &[path]);
        says(&with(File::Missing { named: false })[0], State::Warn, &[path, "copy the example"]);
        says(&with(File::Unseen)[0], State::Warn, &["may not see", path]);
    }

    #[test]
    fn a_file_that_others_may_change_is_bad() {
        let facts = Facts {
            path: "a".to_owned(),
            file: File::Valid,
            open: vec![("everybody may change a".to_owned(), "`chmod go-w a`".to_owned())],
        };
        let findings = check(&facts);
        says(&findings[1], State::Bad, &["config-owner", "everybody", "`chmod go-w a`"]);
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn the_example_can_be_read() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipward.toml");
        let (facts, config) = read(&example, true);
        says(&check(&facts)[0], State::Ok, &["sipward.toml"]);
        assert_eq!(config.unwrap().interfaces, ["eth0"]);
        let (facts, config) = read(Path::new("/nowhere/sipward.toml"), false);
        says(&check(&facts)[0], State::Warn, &["/nowhere/sipward.toml"]);
        assert_eq!(config, None);
    }
}
