//! Files that the engine hands to the service and takes back: a head that says what the file is
//! and what it is about, then OpenVM's encoding of a proof.
//!
//! | Offset | Bytes | Content |
//! |---|---|---|
//! | 0 | 8 | `CLARTF01` |
//! | 8 | 1 | kind ([`Kind`]) |
//! | 9 | 1 | depth: how often the internal circuit has verified below, 0 elsewhere |
//! | 10 | 4 | first segment, big-endian |
//! | 14 | 4 | segment after the last, big-endian |
//! | 18 | 32 | identity of keys and program |
//! | 50 | 32 | SHA-256 of the batch's input |
//! | 82 | 8 | length of the body, big-endian |
//! | 90 | 32 | SHA-256 of the body |
//! | 122 | | body |
//!
//! The head keeps artefacts of different batches, places and versions apart and finds damage. It
//! proves nothing: a false proof is found by whoever verifies the node above it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    ops::Range,
    path::Path,
};

use sha2::{Digest as _, Sha256};

use crate::{
    protocol::{Failure, FailureKind},
    tree::LayerKind,
};

/// First bytes of every artefact.
const MAGIC: [u8; 8] = *b"CLARTF01";

/// Length of the head in bytes.
const HEAD_BYTES: usize = 122;

/// Largest body, in bytes. The largest proofs are below 2 MB.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// The internal circuit verifies itself at most so often (OpenVM 2.0.2, `MAX_RECURSION_DEPTH`).
const MAX_DEPTH: u8 = u8::MAX;

/// What an artefact holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Proof of one segment.
    Segment,
    /// Proof of the public values.
    PublicValues,
    /// Proof of a node of the aggregation tree.
    Node(LayerKind),
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::PublicValues => 2,
            Self::Node(LayerKind::Leaf) => 3,
            Self::Node(LayerKind::InternalForLeaf) => 4,
            Self::Node(LayerKind::InternalFirst) => 5,
            Self::Node(LayerKind::InternalRecursive) => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Segment,
            2 => Self::PublicValues,
            3 => Self::Node(LayerKind::Leaf),
            4 => Self::Node(LayerKind::InternalForLeaf),
            5 => Self::Node(LayerKind::InternalFirst),
            6 => Self::Node(LayerKind::InternalRecursive),
            _ => return None,
        })
    }
}

/// The head of an artefact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the body is.
    pub kind: Kind,
    /// How often the internal circuit has verified below: 1 for the first internal layer.
    pub depth: u8,
    /// The segments that it covers.
    pub segments: Range<u32>,
    /// Keys and program that it was made with.
    pub keys: [u8; 32],
    /// Digest of the batch's input.
    pub input: [u8; 32],
}

/// An artefact does not fit, for this reason.
fn bad(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(
        FailureKind::BadArtefact,
        format_args!("`{}`: {reason}", path.display()),
    )
}

/// Reads an artefact and checks that it is whole and of these keys.
///
/// # Errors
/// [`FailureKind::BadRequest`] when the file cannot be read, [`FailureKind::BadArtefact`] when it
/// is damaged, cut short or made with other keys.
pub fn read(path: &Path, keys: &[u8; 32]) -> Result<(Head, Vec<u8>), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(
            FailureKind::BadRequest,
            format_args!("`{}`: {error}", path.display()),
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BODY_BYTES + HEAD_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let (head, body) = parse(&bytes).map_err(|reason| bad(path, reason))?;
    if head.keys != *keys {
        return Err(bad(path, "made with another program or other parameters"));
    }
    Ok((head, body.to_vec()))
}

/// Takes an artefact apart.
fn parse(bytes: &[u8]) -> Result<(Head, &[u8]), String> {
    let mut rest = bytes;
    let magic: [u8; 8] = take(&mut rest)?;
    if magic != MAGIC {
        return Err("not an artefact of this engine".into());
    }
    let [code, depth] = take(&mut rest)?;
    let kind = Kind::from_code(code).ok_or_else(|| format!("unknown kind {code}"))?;
    let start = u32::from_be_bytes(take(&mut rest)?);
    let end = u32::from_be_bytes(take(&mut rest)?);
    let keys = take(&mut rest)?;
    let input = take(&mut rest)?;
    let length = u64::from_be_bytes(take(&mut rest)?);
    let digest: [u8; 32] = take(&mut rest)?;
    if length != rest.len() as u64 || length > MAX_BODY_BYTES {
        return Err(format!("body of {} bytes, expected {length}", rest.len()));
    }
    if digest != *Sha256::digest(rest) {
        return Err("damaged: its digest differs".into());
    }
    let head = Head {
        kind,
        depth,
        segments: start..end,
        keys,
        input,
    };
    Ok((head, rest))
}

/// Takes the next bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (next, tail) = rest.split_first_chunk().ok_or("cut short in its head")?;
    *rest = tail;
    Ok(*next)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`FailureKind::BadRequest`] when it cannot be read or is too large.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let bad = |reason: String| Failure::new(FailureKind::BadRequest, reason);
    let shown = path.display();
    let length = std::fs::metadata(path)
        .map_err(|error| bad(format!("`{shown}`: {error}")))?
        .len();
    if length > limit {
        return Err(bad(format!(
            "`{shown}` has {length} bytes, at most {limit} are taken"
        )));
    }
    std::fs::read(path).map_err(|error| bad(format!("`{shown}`: {error}")))
}

/// Writes an artefact whole or not at all, and gives its size in bytes.
///
/// # Errors
/// [`FailureKind::Storage`] when it cannot be written.
pub fn write(path: &Path, head: &Head, body: &[u8]) -> Result<u64, Failure> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[head.kind.code(), head.depth]);
    bytes.extend_from_slice(&head.segments.start.to_be_bytes());
    bytes.extend_from_slice(&head.segments.end.to_be_bytes());
    bytes.extend_from_slice(&head.keys);
    bytes.extend_from_slice(&head.input);
    bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
    bytes.extend_from_slice(&Sha256::digest(body));
    bytes.extend_from_slice(body);
    write_whole(path, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Writes a file under another name first, so that it is there whole or not at all.
///
/// # Errors
/// [`FailureKind::Storage`] when it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let stored = |error: std::io::Error| {
        Failure::new(
            FailureKind::Storage,
            format_args!("`{}`: {error}", path.display()),
        )
    };
    let mut name = path
        .file_name()
        .ok_or_else(|| Failure::new(FailureKind::BadRequest, "the output names no file"))?
        .to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // What is left of it is of no use; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(stored)
}

/// The head of a node over these children, which must fit together.
///
/// # Errors
/// [`FailureKind::BadArtefact`] when they do not.
pub fn parent(layer: LayerKind, children: &[Head]) -> Result<Head, Failure> {
    let bad = |reason: String| Err(Failure::new(FailureKind::BadArtefact, reason));
    let (Some(first), Some(last)) = (children.first(), children.last()) else {
        return bad("no children".into());
    };
    for child in children {
        let fits = matches!(
            (layer, child.kind),
            (LayerKind::Leaf, Kind::Segment)
                | (LayerKind::InternalForLeaf, Kind::Node(LayerKind::Leaf))
                | (
                    LayerKind::InternalFirst,
                    Kind::Node(LayerKind::InternalForLeaf)
                )
                | (
                    LayerKind::InternalRecursive,
                    Kind::Node(LayerKind::InternalFirst | LayerKind::InternalRecursive)
                )
        );
        if !fits {
            return bad(format!("a {:?} is no child of a {layer:?}", child.kind));
        }
        if child.input != first.input {
            return bad("children of different batches".into());
        }
        if child.depth != first.depth {
            return bad("children of different depths".into());
        }
    }
    for (child, next) in children.iter().zip(children.iter().skip(1)) {
        if child.segments.end != next.segments.start {
            let (end, start) = (child.segments.end, next.segments.start);
            return bad(format!(
                "segment {start} does not follow up to segment {end}"
            ));
        }
    }
    let depth = match layer {
        LayerKind::Leaf | LayerKind::InternalForLeaf => 0,
        LayerKind::InternalFirst | LayerKind::InternalRecursive => {
            if first.depth == MAX_DEPTH {
                return bad("deeper than OpenVM allows".into());
            }
            first.depth.saturating_add(1)
        }
    };
    Ok(Head {
        kind: Kind::Node(layer),
        depth,
        segments: first.segments.start..last.segments.end,
        keys: first.keys,
        input: first.input,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            kind: Kind::Node(LayerKind::InternalFirst),
            depth: 1,
            segments: 3..7,
            keys: [1; 32],
            input: [2; 32],
        }
    }

    fn write_one() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node");
        write(&path, &head(), b"a proof").unwrap();
        (folder, path)
    }

    #[test]
    fn gives_back_what_was_written() {
        let (_folder, path) = write_one();
        assert_eq!(
            read(&path, &[1; 32]).unwrap(),
            (head(), b"a proof".to_vec())
        );
    }

    #[test]
    fn refuses_every_cut_and_every_flipped_byte() {
        let (_folder, path) = write_one();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let kind = read(&path, &[1; 32]).unwrap_err().kind;
            assert_eq!(kind, FailureKind::BadArtefact, "cut to {length} bytes");
        }
        // What the head says of kind, place and batch is compared by whoever takes it as a child.
        for at in (0..8).chain(18..50).chain(82..whole.len()) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            let kind = read(&path, &[1; 32]).unwrap_err().kind;
            assert_eq!(kind, FailureKind::BadArtefact, "byte {at} flipped");
        }
    }

    #[test]
    fn a_full_disk_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no-such-folder").join("node");
        let failure = write(&path, &head(), b"a proof").unwrap_err();
        assert_eq!(failure.kind, FailureKind::Storage);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    fn at(kind: Kind, depth: u8, segments: std::ops::Range<u32>) -> Head {
        Head {
            kind,
            depth,
            segments,
            keys: [1; 32],
            input: [2; 32],
        }
    }

    #[test]
    fn a_node_covers_its_children() {
        let children = [at(Kind::Segment, 0, 4..5), at(Kind::Segment, 0, 5..6)];
        let node = parent(LayerKind::Leaf, &children).unwrap();
        assert_eq!(node, at(Kind::Node(LayerKind::Leaf), 0, 4..6));
        let below = at(Kind::Node(LayerKind::InternalFirst), 1, 0..36);
        let root = parent(LayerKind::InternalRecursive, &[below]).unwrap();
        assert_eq!(root, at(Kind::Node(LayerKind::InternalRecursive), 2, 0..36));
    }

    /// SPV-5.
    #[test]
    fn children_that_do_not_fit_are_refused() {
        let reason = |layer, children: &[Head]| {
            let failure = parent(layer, children).unwrap_err();
            assert_eq!(failure.kind, FailureKind::BadArtefact);
            failure.message
        };
        let segment = |range| at(Kind::Segment, 0, range);
        assert_eq!(reason(LayerKind::Leaf, &[]), "no children");
        assert_eq!(
            reason(LayerKind::Leaf, &[segment(0..1), segment(2..3)]),
            "segment 2 does not follow up to segment 1"
        );
        assert_eq!(
            reason(LayerKind::Leaf, &[segment(1..2), segment(0..1)]),
            "segment 0 does not follow up to segment 2"
        );
        assert_eq!(
            reason(LayerKind::InternalFirst, &[segment(0..1)]),
            "a Segment is no child of a InternalFirst"
        );
        let other = Head {
            input: [9; 32],
            ..segment(1..2)
        };
        assert_eq!(
            reason(LayerKind::Leaf, &[segment(0..1), other]),
            "children of different batches"
        );
        let first = at(Kind::Node(LayerKind::InternalFirst), 1, 0..1);
        let second = at(Kind::Node(LayerKind::InternalRecursive), 2, 1..2);
        assert_eq!(
            reason(LayerKind::InternalRecursive, &[first, second]),
            "children of different depths"
        );
    }
}
