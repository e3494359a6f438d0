//! What the height of a page costs: time and stored bytes for each key of a batch.

use super::{Workload, apply, filled};
use crate::figure::median;
use crate::{Figure, Filter, Report};

/// The figures of this group; only measured when asked for.
pub(crate) const NAMES: &[&str] = &[
    "page_height_2_us_per_key",
    "page_height_2_bytes_per_key",
    "page_height_3_us_per_key",
    "page_height_3_bytes_per_key",
    "page_height_4_us_per_key",
    "page_height_4_bytes_per_key",
    "page_height_5_us_per_key",
    "page_height_5_bytes_per_key",
    "page_height_6_us_per_key",
    "page_height_6_bytes_per_key",
    "page_height_8_us_per_key",
    "page_height_8_bytes_per_key",
];

/// Measures each height.
pub(crate) fn run(filter: &Filter, report: &mut Report) -> anyhow::Result<()> {
    let workload = Workload::new();
    for (height, names) in [2u8, 3, 4, 5, 6, 8].into_iter().zip(NAMES.chunks(2)) {
        let [time, size] = names else { continue };
        if !filter.wants(time) && !filter.wants(size) {
            continue;
        }
        let (tree, mut version) = filled(&workload, height)?;
        let (mut us, mut bytes) = (Vec::new(), Vec::new());
        for changes in &workload.batches {
            version += 1;
            let (us_per_key, written) = apply(&tree, version, changes)?;
            us.push(us_per_key);
            #[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]
            bytes.push(written as f64 / changes.len() as f64);
        }
        report.figure(&Figure::alone(time, median(us), "us"));
        report.figure(&Figure::alone(size, median(bytes), "bytes"));
    }
    Ok(())
}
