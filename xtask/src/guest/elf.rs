//! What the machine loads of a linked program.

use anyhow::{Context as _, Result, bail};

/// What the compiler emits where a program must not go on. The machine takes this instruction
/// (`csrrw x0, cycle, x0`) for one that does nothing, so the program would go on.
const TRAP: u32 = 0xc000_1073;
/// Ends the execution with code 1, that of a panic.
const END: u32 = 0x0010_000b;

const HEADER_BYTES: usize = 52;
const SEGMENT_BYTES: usize = 32;
const LOADED: u32 = 1;
const EXECUTABLE: u32 = 1;

/// A program as it is kept.
#[derive(Debug)]
pub(crate) struct Image {
    /// An ELF file with loaded segments only.
    pub(crate) bytes: Vec<u8>,
    /// Instructions in it.
    pub(crate) instructions: usize,
    /// How many of them end the execution in place of a trap.
    pub(crate) traps: usize,
}

/// A segment's header: type, offset, address, physical address, bytes in the file and in memory,
/// flags, alignment.
type Segment = [u32; 8];

/// Makes the image of a linked program: its loaded segments, with an exit in place of every trap.
pub(crate) fn image(program: &[u8]) -> Result<Image> {
    if !is_riscv_program(program) {
        bail!("not a 32-bit RISC-V program");
    }
    let segments = loaded_segments(program)?;
    let mut offset = HEADER_BYTES + SEGMENT_BYTES * segments.len();
    let mut table = Vec::new();
    let mut contents = Vec::new();
    let (mut instructions, mut traps) = (0, 0);
    for mut segment in segments {
        let [_, start, _, _, length, _, flags, _] = segment;
        let mut bytes = slice(program, start, length)?.to_vec();
        if flags & EXECUTABLE != 0 {
            for word in bytes.as_chunks_mut::<4>().0 {
                instructions += 1;
                if u32::from_le_bytes(*word) == TRAP {
                    *word = END.to_le_bytes();
                    traps += 1;
                }
            }
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        segment[1] = u32::try_from(offset)?;
        segment[7] = 4;
        offset += bytes.len();
        table.extend(segment.iter().flat_map(|field| field.to_le_bytes()));
        contents.extend(bytes);
    }
    let mut bytes = header(program, table.len() / SEGMENT_BYTES)?;
    bytes.extend(table);
    bytes.extend(contents);
    Ok(Image {
        bytes,
        instructions,
        traps,
    })
}

/// By the ELF header: 32 bits, little-endian, machine 243.
fn is_riscv_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x01\x01") && bytes.get(18..20) == Some(&[243, 0])
}

/// The program's header, for a file without sections whose segment table follows it.
fn header(program: &[u8], segments: usize) -> Result<Vec<u8>> {
    let mut header = slice(program, 0, 52)?.to_vec();
    header[28..32].copy_from_slice(&u32::try_from(HEADER_BYTES)?.to_le_bytes());
    header[32..36].fill(0);
    header[44..46].copy_from_slice(&u16::try_from(segments)?.to_le_bytes());
    header[46..52].fill(0);
    Ok(header)
}

fn loaded_segments(program: &[u8]) -> Result<Vec<Segment>> {
    let table = word(program, 28)?;
    let count = u32::from(half(program, 44)?);
    let size = u32::try_from(SEGMENT_BYTES)?;
    let mut segments = Vec::new();
    for index in 0..count {
        let start = table + index * size;
        let mut segment = [0; 8];
        for (field, at) in segment.iter_mut().zip((start..).step_by(4)) {
            *field = word(program, at)?;
        }
        if segment[0] == LOADED && segment[5] > 0 {
            segments.push(segment);
        }
    }
    Ok(segments)
}

fn slice(program: &[u8], start: u32, length: u32) -> Result<&[u8]> {
    let (start, length) = (usize::try_from(start)?, usize::try_from(length)?);
    program
        .get(start..start.saturating_add(length))
        .context("the program is cut off")
}

fn word(program: &[u8], at: u32) -> Result<u32> {
    Ok(u32::from_le_bytes(slice(program, at, 4)?.try_into()?))
}

fn half(program: &[u8], at: u32) -> Result<u16> {
    Ok(u16::from_le_bytes(slice(program, at, 2)?.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with one executable segment of two instructions and a section table.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; 84];
        bytes[..6].copy_from_slice(b"\x7fELF\x01\x01");
        bytes[18] = 243;
        bytes[28] = 52;
        bytes[32] = 92;
        bytes[44] = 1;
        bytes[48] = 1;
        let segment: Segment = [1, 84, 0x0020_0800, 0x0020_0800, 8, 8, 5, 4096];
        for (index, field) in segment.iter().enumerate() {
            bytes[52 + 4 * index..][..4].copy_from_slice(&field.to_le_bytes());
        }
        bytes.extend(0x0000_0013_u32.to_le_bytes());
        bytes.extend(TRAP.to_le_bytes());
        bytes.extend([7; 40]);
        bytes
    }

    #[test]
    fn tells_a_program_for_the_proving_machine_from_others() {
        assert!(image(&program()).is_ok());
        assert!(image(b"#!/bin/sh").is_err());
        assert!(image(&program()[..90]).is_err());
    }

    /// SPV-12.
    #[test]
    fn spv_12_a_trap_ends_the_program() {
        let image = image(&program()).unwrap();
        assert_eq!((image.instructions, image.traps), (2, 1));
        assert_eq!(image.bytes.len(), 92);
        assert!(image.bytes.ends_with(&END.to_le_bytes()));
        assert!(
            !image
                .bytes
                .windows(4)
                .any(|word| word == TRAP.to_le_bytes())
        );
        // Without sections.
        assert_eq!(image.bytes[32..36], [0; 4]);
        assert_eq!(image.bytes[46..52], [0; 6]);
    }

    #[test]
    fn an_image_is_its_own_image() {
        let once = image(&program()).unwrap().bytes;
        assert_eq!(image(&once).unwrap().bytes, once);
    }
}
