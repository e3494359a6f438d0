//! Our proof of constraints and messages is, number for number, the one that OpenVM's prover makes.

use std::sync::Arc;

use cloister_prove::engine::device;
use openvm_stark_backend::{
    AirRef, PartitionedBaseAir, StarkEngine, StarkProtocolConfig as _, SystemParams,
    WhirProximityStrategy,
    air_builders::PartitionedAirBuilder,
    interaction::{InteractionBuilder, LogUpSecurityParameters},
    p3_air::{
        Air, AirBuilder as _, AirBuilderWithPublicValues, BaseAir, BaseAirWithPublicValues,
        PairBuilder,
    },
    p3_field::{Field, PrimeCharacteristicRing as _},
    p3_matrix::{Matrix as _, dense::RowMajorMatrix},
    proof::Proof,
    prover::{
        AirProvingContext, ColMajorMatrix, CommittedTraceData, CpuColMajorBackend,
        DeviceDataTransporter as _, ProvingContext, stacked_pcs::stacked_commit,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    BabyBearPoseidon2Config as SC, BabyBearPoseidon2CpuEngine, F,
};

/// What the counter begins with.
const FIRST: u32 = 41;

/// Counts up and sends squares and cubes of its first numbers. Has every kind of matrix, looks one row
/// further, and uses every selector.
struct Counter {
    rows: usize,
    sent: usize,
}

/// Receives them.
struct Receiver;

/// Receives the counter's second number in its only row.
struct Single;

/// Fibonacci's numbers, told to nobody.
struct Lonely;

impl<K: Field> BaseAir<K> for Counter {
    fn width(&self) -> usize {
        3
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<K>> {
        let sent = (0..self.rows).map(|row| K::from_bool(row < self.sent));
        Some(RowMajorMatrix::new_col(sent.collect()))
    }
}

impl<K: Field> PartitionedBaseAir<K> for Counter {
    fn cached_main_widths(&self) -> Vec<usize> {
        vec![1]
    }

    fn common_main_width(&self) -> usize {
        2
    }
}

impl<K: Field> BaseAirWithPublicValues<K> for Counter {
    fn num_public_values(&self) -> usize {
        1
    }
}

impl<AB> Air<AB> for Counter
where
    AB: InteractionBuilder + PartitionedAirBuilder + PairBuilder + AirBuilderWithPublicValues,
    AB::F: Field,
{
    fn eval(&self, builder: &mut AB) {
        let sent = builder.preprocessed().row_slice(0).unwrap()[0];
        let value = builder.cached_mains()[0].row_slice(0).unwrap()[0];
        let next = builder.cached_mains()[0].row_slice(1).unwrap()[0];
        let row = builder.common_main().row_slice(0).unwrap().to_vec();
        let first = builder.public_values()[0];
        builder.when_first_row().assert_eq(value, first);
        builder
            .when_transition()
            .assert_eq(next, value + AB::Expr::ONE);
        builder.assert_eq(row[0], value * value);
        builder.assert_eq(row[1], value * row[0]);
        let last = AB::Expr::from_u32(FIRST) + AB::Expr::from_usize(self.rows - 1);
        builder.when_last_row().assert_eq(value, last);
        builder.push_interaction(0, [value, row[0], row[1]], sent, 1);
        let is_first = builder.is_first_row();
        builder.push_interaction(1, [next], is_first, 1);
    }
}

impl<K> BaseAir<K> for Receiver {
    fn width(&self) -> usize {
        4
    }
}

impl<K> PartitionedBaseAir<K> for Receiver {}

impl<K> BaseAirWithPublicValues<K> for Receiver {}

impl<AB: InteractionBuilder> Air<AB> for Receiver {
    fn eval(&self, builder: &mut AB) {
        let row = builder.main().row_slice(0).unwrap().to_vec();
        builder.assert_bool(row[3]);
        builder.push_interaction(0, row[..3].to_vec(), AB::Expr::NEG_ONE * row[3], 1);
    }
}

impl<K> BaseAir<K> for Single {
    fn width(&self) -> usize {
        1
    }
}

impl<K> PartitionedBaseAir<K> for Single {}

impl<K> BaseAirWithPublicValues<K> for Single {}

impl<AB: InteractionBuilder> Air<AB> for Single {
    fn eval(&self, builder: &mut AB) {
        let value = builder.main().row_slice(0).unwrap()[0];
        builder.push_interaction(1, [value], AB::Expr::NEG_ONE, 1);
    }
}

impl<K> BaseAir<K> for Lonely {
    fn width(&self) -> usize {
        2
    }
}

impl<K> PartitionedBaseAir<K> for Lonely {}

impl<K> BaseAirWithPublicValues<K> for Lonely {}

impl<AB: InteractionBuilder> Air<AB> for Lonely {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (row, next) = (main.row_slice(0).unwrap(), main.row_slice(1).unwrap());
        builder.when_transition().assert_eq(next[0], row[1]);
        builder
            .when_transition()
            .assert_eq(next[1], row[0] + row[1]);
    }
}

/// No grinding, so that a proof is the same every time.
fn params(l_skip: usize) -> SystemParams {
    let logup = LogUpSecurityParameters {
        max_interaction_count: 1 << 20,
        log_max_message_length: 3,
        pow_bits: 0,
    };
    let proximity = WhirProximityStrategy::UniqueDecoding;
    SystemParams::new(
        1,
        l_skip,
        8 - l_skip,
        64,
        2,
        0,
        0,
        proximity,
        20,
        logup,
        3,
        0,
        2,
    )
}

fn number(value: usize) -> F {
    F::from_u32(FIRST) + F::from_usize(value)
}

/// Rows of the counter, with a receiver of as many rows, or half as many, as are sent.
fn context(config: &SC, rows: usize, received: usize) -> ProvingContext<CpuColMajorBackend<SC>> {
    let params = config.params();
    let values = ColMajorMatrix::new((0..rows).map(number).collect(), 1);
    let (commitment, data) = stacked_commit(
        config.hasher(),
        params.l_skip,
        params.n_stack,
        params.log_blowup,
        params.k_whir(),
        &[&values],
    )
    .unwrap();
    let cached = CommittedTraceData {
        commitment,
        trace: values,
        data: Arc::new(data),
    };
    let columns = |rows: usize, columns: &[&dyn Fn(usize) -> F]| {
        let cells = columns.iter().flat_map(|column| (0..rows).map(column));
        ColMajorMatrix::new(cells.collect(), columns.len())
    };
    let square = |row| number(row) * number(row);
    let cube = |row| square(row) * number(row);
    let mut fibonacci = vec![(F::ONE, F::ONE)];
    for _ in 1..4 {
        let (low, high) = *fibonacci.last().unwrap();
        fibonacci.push((high, low + high));
    }
    let counter = columns(rows, &[&square, &cube]);
    let inbox = columns(
        received,
        &[&number, &square, &cube, &|row| {
            F::from_bool(row + 1 < received)
        }],
    );
    let single = columns(1, &[&|_| number(1)]);
    let lonely = columns(4, &[&|row| fibonacci[row].0, &|row| fibonacci[row].1]);
    let of = |trace| AirProvingContext::new(vec![], trace, vec![]);
    ProvingContext::new(vec![
        (
            0,
            AirProvingContext::new(vec![cached], counter, vec![number(0)]),
        ),
        (1, of(inbox)),
        (2, of(single)),
        (3, of(lonely)),
    ])
}

/// Proves with an engine, and verifies.
fn proof<E: StarkEngine<SC = SC>>(l_skip: usize, rows: usize, received: usize) -> Proof<SC> {
    let engine = E::new(params(l_skip));
    let counter = Counter {
        rows,
        sent: received - 1,
    };
    let airs: [AirRef<SC>; 4] = [
        Arc::new(counter),
        Arc::new(Receiver),
        Arc::new(Single),
        Arc::new(Lonely),
    ];
    let (key, verifying_key) = engine.keygen(&airs);
    let context = context(engine.config(), rows, received);
    let device = engine.device();
    let (key, context) = (
        device.transport_pk_to_device(&key),
        device.transport_proving_ctx_to_device(&context),
    );
    let proof = engine
        .prove(&key, context)
        .unwrap_or_else(|_| panic!("no proof"));
    engine.verify(&verifying_key, &proof).unwrap();
    proof
}

#[test]
fn are_proved_as_openvm_proves_them() {
    // Tables lower than the subgroup, as high, and higher than lanes and threads take at once.
    for (l_skip, rows, received) in [
        (2, 2, 2),
        (2, 64, 2),
        (4, 8, 8),
        (4, 256, 64),
        (1, 128, 128),
    ] {
        let ours = proof::<device::Engine>(l_skip, rows, received);
        let theirs = proof::<BabyBearPoseidon2CpuEngine>(l_skip, rows, received);
        assert!(
            ours == theirs,
            "l_skip {l_skip}, {rows} rows, {received} received"
        );
    }
}
