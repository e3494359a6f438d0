//! `xtask-codegen ROOT OUT`: compiles every file under `ROOT/proto` and writes one Rust module per
//! package into `OUT`. No `protoc` is needed: `protox` is a compiler in Rust. Run by
//! `cargo xtask gen`, never from a build script, so that the generated code is read and reviewed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(root), Some(out), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        bail!("usage: xtask-codegen ROOT OUT");
    };
    generate(&root.join("proto"), &out)
}

/// Compiles all `.proto` files below `protos` into `out`.
fn generate(protos: &Path, out: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(protos, &mut files)?;
    files.sort();
    if files.is_empty() {
        bail!("no .proto file under `{}`", protos.display());
    }
    let descriptors = protox::compile(&files, [protos]).context("cannot compile the protocol")?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create `{}`", out.display()))?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(descriptors)
        .context("cannot write the generated code")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}
