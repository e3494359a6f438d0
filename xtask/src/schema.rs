//! The schema of each service's database after all of its migrations, as Postgres dumps it: what a
//! migration does to the whole is seen in review.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::shell;

/// Dumps the schemas of `services` from a cluster of its own into `wanted`.
pub(crate) fn dump(
    root: &Path,
    services: &[&str],
    wanted: &mut BTreeMap<String, String>,
) -> Result<()> {
    let cluster = Cluster::start()?;
    for service in services {
        cluster.run("createdb", &[service], None)?;
        for migration in migrations(&root.join("migrations").join(service))? {
            let text = File::open(&migration)
                .with_context(|| format!("cannot open `{}`", migration.display()))?;
            let arguments = [
                "--quiet",
                "--no-psqlrc",
                "--set=ON_ERROR_STOP=1",
                "--single-transaction",
                service,
            ];
            cluster
                .run("psql", &arguments, Some(text))
                .with_context(|| format!("`{}` fails", migration.display()))?;
        }
        let arguments = ["--schema-only", "--no-owner", "--no-privileges", service];
        let text = stable(&cluster.run("pg_dump", &arguments, None)?);
        wanted.insert(format!("docs/reference/schema/{service}.sql"), text);
    }
    Ok(())
}

/// The migrations in a folder, in order.
fn migrations(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A dump without what depends on the version of Postgres: comments, settings, commands of `psql`.
fn stable(dump: &str) -> String {
    let mut text = String::from("-- Made by `cargo xtask gen` from the migrations.\n");
    let mut blank = false;
    for line in dump.lines() {
        let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\"];
        if noise.iter().any(|prefix| line.starts_with(prefix)) {
            continue;
        }
        if line.is_empty() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A Postgres cluster that ends with this value. It listens on a socket in its folder only.
struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
}

impl Cluster {
    fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("cloister-schema-{}", std::process::id()));
        let cluster = Self {
            folder,
            programs: programs()?,
        };
        let owner = if is_root()? { "postgres" } else { "" };
        let mut install = Command::new("install");
        install.args(["--directory", "--mode=0755"]);
        if !owner.is_empty() {
            install.args(["--owner", owner]);
        }
        install.arg(&cluster.folder);
        shell::run(install)?;
        let data = cluster.folder.join("data");
        let mut initdb = cluster.as_owner("initdb", owner);
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--no-sync",
            "--encoding=UTF8",
        ]);
        initdb
            .args(["--locale=C", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null());
        shell::run(initdb)?;
        let options = format!(
            "-c listen_addresses= -c fsync=off -c unix_socket_directories={}",
            cluster.folder.display()
        );
        let mut start = cluster.as_owner("pg_ctl", owner);
        start
            .args(["--wait", "--silent", "--pgdata"])
            .arg(&data)
            .arg("--log");
        start
            .arg(cluster.folder.join("log"))
            .args(["--options", &options, "start"]);
        start.stdout(Stdio::null());
        shell::run(start)?;
        Ok(cluster)
    }

    /// A program of the server; the server refuses to run as root.
    fn as_owner(&self, program: &str, owner: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if owner.is_empty() {
            Command::new(path)
        } else {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={owner}"),
                &format!("--regid={owner}"),
                "--clear-groups",
            ]);
            command.arg(path);
            command
        };
        command.current_dir(&self.folder);
        command
    }

    /// Runs a client program and returns what it wrote.
    fn run(&self, program: &str, arguments: &[&str], input: Option<File>) -> Result<String> {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(["--username=postgres", "--host"])
            .arg(&self.folder)
            .args(arguments);
        command.stdin(input.map_or_else(Stdio::null, Stdio::from));
        shell::output(command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let owner = if is_root().unwrap_or_default() {
            "postgres"
        } else {
            ""
        };
        let mut stop = self.as_owner("pg_ctl", owner);
        stop.args(["--silent", "--mode=immediate", "--pgdata"])
            .arg(self.folder.join("data"));
        stop.arg("stop").stdout(Stdio::null()).stderr(Stdio::null());
        // Nothing can be done about a failure here, and the next run takes another folder.
        let _ = stop.status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> Result<bool> {
    let mut id = Command::new("id");
    id.arg("-u");
    Ok(shell::output(id)?.trim() == "0")
}

/// The folder of the newest server's programs.
fn programs() -> Result<PathBuf> {
    let missing = "Postgres is missing; run `cargo xtask tools`";
    let versions = std::fs::read_dir("/usr/lib/postgresql").context(missing)?;
    let newest = versions
        .flatten()
        .filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .context(missing)?;
    Ok(Path::new("/usr/lib/postgresql")
        .join(newest.to_string())
        .join("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_of_a_dump_what_no_version_changes() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\\restrict x\n\nSET a = b;\n\n\n\
                    CREATE TABLE a (\n    b bigint\n);\n\n--\n-- Name: x\n--\n\nCOMMENT ON x;\n\n";
        assert_eq!(
            stable(dump),
            "-- Made by `cargo xtask gen` from the migrations.\n\n\
             CREATE TABLE a (\n    b bigint\n);\n\nCOMMENT ON x;\n"
        );
    }

    #[test]
    fn takes_migrations_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0002_b.sql", "0001_a.sql", "notes.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = migrations(folder.path()).unwrap();
        assert_eq!(
            found,
            [
                folder.path().join("0001_a.sql"),
                folder.path().join("0002_b.sql")
            ]
        );
    }

    #[test]
    fn dumps_what_the_migrations_make_and_names_one_that_fails() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("migrations/gateway");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("0001_a.sql"),
            "CREATE TABLE a (b bigint NOT NULL);",
        )
        .unwrap();
        std::fs::write(folder.join("0002_b.sql"), "ALTER TABLE a ADD c text;").unwrap();
        let mut wanted = BTreeMap::new();
        dump(root.path(), &["gateway"], &mut wanted).unwrap();
        let text = &wanted["docs/reference/schema/gateway.sql"];
        let table = "CREATE TABLE public.a (\n    b bigint NOT NULL,\n    c text\n);\n";
        assert!(text.contains(table), "{text}");

        std::fs::write(folder.join("0003_c.sql"), "DROP TABLE absent;").unwrap();
        let error = dump(root.path(), &["gateway"], &mut wanted)
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("migrations/gateway/0003_c.sql` fails"),
            "{error}"
        );
    }
}
