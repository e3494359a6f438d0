//! A real wrap on a real node: proved, and refused wherever it does not belong (SET-2, SWR-5).

use std::path::Path;

use alloy::primitives::keccak256;
use alloy::sol_types::{SolCall as _, SolError as _, SolValue as _};
use cloister_l1::{
    Address, AnchorState, B256, Bytes, DeployPlan, MAX_TRANSACTION_GAS, U256, VerifierImage,
};
use cloister_types::BatchNumber;
use cloister_types::batch::PublicHeader;
use serde_json::{Value, json};

use crate::{World, key, plan};

alloy::sol!(WrapVerifier, "../../contracts/artifacts/WrapVerifier.json");
alloy::sol!(
    VerifierRouter,
    "../../contracts/artifacts/VerifierRouter.json"
);
alloy::sol!(RollupContract, "../../contracts/artifacts/Rollup.json");

/// Most gas that proving a batch may cost in all its transactions.
const PROVING_GAS: u64 = 40_000_000;
/// Who brings the proof, and who gets between.
const SUBMITTER: usize = 0;
const STRANGER: usize = 1;

fn vector(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    std::fs::read(folder.join(name)).unwrap()
}

/// The headers of genesis and of the golden batch.
fn golden() -> [PublicHeader; 2] {
    let chain: Value = serde_json::from_slice(&vector("chain.json")).unwrap();
    ["genesis", "batch"].map(|name| {
        let header = &chain[name];
        let hash = |field: &str| header[field].as_str().unwrap().parse().unwrap();
        PublicHeader {
            chain_id: header["chain_id"].as_u64().unwrap(),
            number: BatchNumber(header["number"].as_u64().unwrap()),
            previous_hash: hash("previous_hash"),
            state_root: hash("state_root"),
            message_root: hash("message_root"),
            l1_message_count: 0,
            l1_message_hash: hash("l1_message_hash"),
            private_digest: hash("private_digest"),
        }
    })
}

/// A proof in parts, as `crates/wrap` writes it.
struct Parts {
    image: Vec<u8>,
    public: B256,
    head: Vec<u8>,
    /// First query and number of queries of each range.
    ranges: Vec<(u64, u64, Vec<u8>)>,
}

impl Parts {
    fn real() -> Self {
        let ranges = [(0, 17, "real.queries0"), (17, 16, "real.queries1")];
        Self::read("real", &ranges)
    }

    fn sample() -> Self {
        Self::read("sample", &[(0, 4, "sample.queries")])
    }

    fn read(name: &str, ranges: &[(u64, u64, &str)]) -> Self {
        let file = |name: &str| vector(&format!("wrap/{name}"));
        let range = |&(first, count, name): &(u64, u64, &str)| (first, count, file(name));
        Self {
            image: file(&format!("{name}.image")),
            public: B256::from_slice(&file(&format!("{name}.public"))),
            head: file(&format!("{name}.head")),
            ranges: ranges.iter().map(range).collect(),
        }
    }
}

/// An installation with the verifier of a proof.
struct Chain {
    world: World,
    parts: Parts,
    rollup: Address,
    router: Address,
    verifier: Address,
}

impl Chain {
    /// The chain of the golden vectors, its batch not yet committed.
    async fn new(parts: Parts) -> Self {
        let [genesis, batch] = golden();
        let plan = DeployPlan {
            chain_id: genesis.chain_id,
            genesis_state_root: genesis.state_root,
            genesis_batch_hash: batch.previous_hash,
            verifiers: vec![VerifierImage::new(1, parts.image.clone()).unwrap()],
            ..plan()
        };
        let world = World::with(&plan, &mut |_| ()).await;
        let deployment = &world.deployment;
        let [verifier] = deployment.verifiers[..] else {
            panic!("one verifier")
        };
        Self {
            rollup: deployment.rollup,
            router: deployment.router,
            verifier: verifier.address,
            world,
            parts,
        }
    }

    /// The same with the golden batch committed.
    async fn committed() -> Self {
        let chain = Self::new(Parts::real()).await;
        assert!(chain.world.commit(&golden()[1..]).await.succeeded);
        chain
    }

    fn begin(&self, hashes: Vec<B256>) -> Bytes {
        let call = WrapVerifier::beginCall {
            consumer: self.rollup,
            batchHashes: hashes,
            head: self.parts.head.clone().into(),
        };
        call.abi_encode().into()
    }

    fn check(&self, context: &Bytes, range: usize) -> Bytes {
        let (first, count, queries) = &self.parts.ranges[range];
        let call = WrapVerifier::checkCall {
            consumer: self.rollup,
            context: context.clone(),
            first: U256::from(*first),
            count: U256::from(*count),
            queries: queries.clone().into(),
        };
        call.abi_encode().into()
    }

    /// What completes a session with the last range.
    fn payload(&self, context: &Bytes) -> Vec<u8> {
        let (first, count, queries) = self.parts.ranges.last().unwrap();
        let queries = Bytes::from(queries.clone());
        let (first, count) = (U256::from(*first), U256::from(*count));
        (Bytes::new(), context.clone(), first, count, queries).abi_encode_params()
    }

    fn prove(range: (u64, u64), version: u32, payload: Vec<u8>) -> Bytes {
        let call = RollupContract::proveCall {
            first: range.0,
            last: range.1,
            verifierVersion: version,
            proof: payload.into(),
        };
        call.abi_encode().into()
    }

    /// What a call would answer, or the data it would revert with.
    async fn ask(&self, from: Address, to: Address, input: &Bytes) -> Result<Bytes, Bytes> {
        let gas = U256::from(MAX_TRANSACTION_GAS);
        let call = json!([{"from": from, "to": to, "data": input, "gas": gas}, "latest"]);
        match self.world.anvil.rpc("eth_call", call).await {
            Ok(answer) => Ok(answer.as_str().unwrap().parse().unwrap()),
            Err(refused) => {
                let text = refused.to_string();
                let (_, data) = text.split_once("\"data\":\"").unwrap_or(("", "0x\""));
                Err(data.split('"').next().unwrap().parse().unwrap())
            }
        }
    }

    async fn refuses(&self, from: usize, to: Address, input: &Bytes, expected: &[u8]) {
        let answer = self.ask(key(from).address(), to, input).await;
        assert_eq!(answer, Err(Bytes::copy_from_slice(expected)));
    }

    /// Begins a session of the submitter's and checks all ranges but the last; gives the context,
    /// and the gas of each transaction.
    async fn session(&self) -> (Bytes, Vec<u64>) {
        let begin = self.begin(vec![self.parts.public]);
        let submitter = key(SUBMITTER).address();
        let answer = self.ask(submitter, self.verifier, &begin).await.unwrap();
        let context = WrapVerifier::beginCall::abi_decode_returns(&answer).unwrap();
        let mut gas = vec![self.does(SUBMITTER, self.verifier, begin).await];
        for range in 0..self.parts.ranges.len() - 1 {
            let check = self.check(&context, range);
            gas.push(self.does(SUBMITTER, self.verifier, check).await);
        }
        (context, gas)
    }

    /// A transaction that does what it should; its gas.
    async fn does(&self, from: usize, to: Address, input: Bytes) -> u64 {
        let inclusion = self.world.send(from, to, input).await;
        assert!(inclusion.succeeded);
        inclusion.gas_used
    }
}

#[tokio::test]
async fn set_2_a_real_batch_is_proved_in_three_transactions() {
    let chain = Chain::committed().await;
    let (context, mut gas) = chain.session().await;
    let prove = Chain::prove((1, 1), 1, chain.payload(&context));
    let inclusion = chain
        .world
        .send(SUBMITTER, chain.rollup, prove.clone())
        .await;
    assert!(inclusion.succeeded);
    gas.push(inclusion.gas_used);

    let anchor = chain.world.rollup().anchor(BatchNumber(1)).await;
    let anchor = anchor.unwrap().unwrap();
    assert_eq!(anchor.state, AnchorState::Proved);
    assert_eq!(anchor.verifier_version, Some(1));
    assert_eq!(anchor.prove_block, Some(inclusion.block_number));
    assert_eq!(anchor.batch_hash, chain.parts.public);
    let total: u64 = gas.iter().sum();
    println!("proving a real batch took {gas:?}, {total} gas in all");
    assert_eq!(gas.len(), 3);
    assert!(gas.iter().all(|one| *one < MAX_TRANSACTION_GAS), "{gas:?}");
    assert!(total <= PROVING_GAS, "{total}");

    // The session is used up, and the batch is proved.
    let again = RollupContract::UnexpectedBatch {
        expected: 2,
        got: 1,
    };
    chain
        .refuses(SUBMITTER, chain.rollup, &prove, &again.abi_encode())
        .await;
    // Its proof proves no other batch: neither the next one nor both.
    let [_, first] = golden();
    let second = PublicHeader {
        number: BatchNumber(2),
        previous_hash: first.hash(),
        ..first
    };
    assert!(chain.world.commit(&[second]).await.succeeded);
    for hashes in [vec![second.hash()], vec![first.hash(), second.hash()]] {
        let begin = chain.begin(hashes);
        let answer = chain
            .ask(key(SUBMITTER).address(), chain.verifier, &begin)
            .await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let (context, _) = chain.session().await;
    let prove = Chain::prove((2, 2), 1, chain.payload(&context));
    let expected = WrapVerifier::BadContext {}.abi_encode();
    chain
        .refuses(SUBMITTER, chain.rollup, &prove, &expected)
        .await;
}

#[tokio::test]
async fn set_2_a_real_proof_of_a_forged_state_root_is_refused() {
    let chain = Chain::new(Parts::real()).await;
    let [_, honest] = golden();
    let forged = PublicHeader {
        state_root: keccak256("everything is ours"),
        ..honest
    };
    assert!(chain.world.commit(&[forged]).await.succeeded);
    // About the batch that is on Ethereum the proof says nothing.
    let begin = chain.begin(vec![forged.hash()]);
    let answer = chain
        .ask(key(SUBMITTER).address(), chain.verifier, &begin)
        .await;
    assert!(answer.is_err(), "{answer:?}");
    // About its own it does, but that is not the batch on Ethereum.
    let (context, _) = chain.session().await;
    let prove = Chain::prove((1, 1), 1, chain.payload(&context));
    let expected = WrapVerifier::BadContext {}.abi_encode();
    chain
        .refuses(SUBMITTER, chain.rollup, &prove, &expected)
        .await;
    let anchor = chain.world.rollup().anchor(BatchNumber(1)).await;
    assert_eq!(anchor.unwrap().unwrap().state, AnchorState::Committed);
}

#[tokio::test]
async fn swr_5_nobody_takes_over_a_session_or_goes_around_the_router() {
    let chain = Chain::committed().await;
    let (context, _) = chain.session().await;
    let payload = chain.payload(&context);
    let no_session = WrapVerifier::NoSession {}.abi_encode();

    let submitter = key(SUBMITTER).address();
    let batch_hashes = vec![chain.parts.public];
    let prove = Chain::prove((1, 1), 1, payload.clone());
    let for_another_consumer = VerifierRouter::verifyCall {
        version: 1,
        submitter,
        batchHashes: batch_hashes.clone(),
        proof: payload.clone().into(),
    };
    let around_the_router = WrapVerifier::verifyCall {
        consumer: chain.rollup,
        submitter,
        batchHashes: batch_hashes,
        proof: payload.into(),
    };
    let caller = key(STRANGER).address();
    let not_router = WrapVerifier::NotRouter { caller }.abi_encode();
    let attempts: [(Address, Bytes, &[u8]); 4] = [
        // Completing it, and adding to it.
        (chain.rollup, prove.clone(), &no_session),
        (chain.verifier, chain.check(&context, 1), &no_session),
        // In the submitter's name.
        (
            chain.router,
            for_another_consumer.abi_encode().into(),
            &no_session,
        ),
        (
            chain.verifier,
            around_the_router.abi_encode().into(),
            &not_router,
        ),
    ];
    for (to, input, expected) in attempts {
        chain.refuses(STRANGER, to, &input, expected).await;
        assert!(!chain.world.send(STRANGER, to, input).await.succeeded);
    }
    // A session of the stranger's own is another one.
    let begin = chain.begin(vec![chain.parts.public]);
    chain.does(STRANGER, chain.verifier, begin).await;
    let incomplete = WrapVerifier::Incomplete {
        progress: ((U256::from(1) << 16_usize) - U256::from(1)) << 17_usize,
    };
    chain
        .refuses(STRANGER, chain.rollup, &prove, &incomplete.abi_encode())
        .await;
    // All that changed nothing.
    let honest = chain.ask(submitter, chain.rollup, &prove).await;
    assert_eq!(honest, Ok(Bytes::new()));
}

#[tokio::test]
async fn set_2_no_unknown_or_frozen_version_and_no_half_session_proves_a_batch() {
    let chain = Chain::committed().await;
    let (context, _) = chain.session().await;
    let payload = chain.payload(&context);
    for version in [0, 2, u32::MAX] {
        let unknown = Chain::prove((1, 1), version, payload.clone());
        let expected = VerifierRouter::UnknownVerifier { version }.abi_encode();
        chain
            .refuses(SUBMITTER, chain.rollup, &unknown, &expected)
            .await;
    }
    // With queries left.
    let nothing = U256::ZERO;
    let empty = (
        Bytes::new(),
        context.clone(),
        nothing,
        nothing,
        Bytes::new(),
    );
    let early = Chain::prove((1, 1), 1, empty.abi_encode_params());
    // The first 17 have a bit.
    let incomplete = WrapVerifier::Incomplete {
        progress: U256::from((1 << 17) - 1),
    };
    chain
        .refuses(SUBMITTER, chain.rollup, &early, &incomplete.abi_encode())
        .await;

    // What is refused once the version is frozen holds before.
    let prove = Chain::prove((1, 1), 1, payload);
    let submitter = key(SUBMITTER).address();
    let honest = chain.ask(submitter, chain.rollup, &prove).await;
    assert_eq!(honest, Ok(Bytes::new()));
    let freeze = VerifierRouter::freezeVerifierCall { version: 1 };
    chain
        .does(SUBMITTER, chain.router, freeze.abi_encode().into())
        .await;
    let frozen = VerifierRouter::FrozenVerifier { version: 1 }.abi_encode();
    chain
        .refuses(SUBMITTER, chain.rollup, &prove, &frozen)
        .await;
}

/// Every length below the right one that is a multiple of `step` bytes.
fn cuts(length: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(step)
}

/// A call by its argument.
type Call<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// SWR-3: nothing that is cut short is taken for whole, neither an argument that says its shorter
/// length nor a call whose end is missing.
async fn takes_nothing_cut_short(chain: &Chain, step: usize) {
    let (context, _) = chain.session().await;
    let submitter = key(SUBMITTER).address();
    let (first, count, queries) = chain.parts.ranges.last().unwrap();
    let begin = |head: &[u8]| {
        WrapVerifier::beginCall {
            consumer: chain.rollup,
            batchHashes: vec![chain.parts.public],
            head: head.to_vec().into(),
        }
        .abi_encode()
    };
    let check = |queries: &[u8]| {
        WrapVerifier::checkCall {
            consumer: chain.rollup,
            context: context.clone(),
            first: U256::from(*first),
            count: U256::from(*count),
            queries: queries.to_vec().into(),
        }
        .abi_encode()
    };
    let verify = |proof: &[u8]| {
        WrapVerifier::verifyCall {
            consumer: chain.rollup,
            submitter,
            batchHashes: vec![chain.parts.public],
            proof: proof.to_vec().into(),
        }
        .abi_encode()
    };
    let payload = chain.payload(&context);
    let calls: [(Address, &[u8], Call<'_>); 3] = [
        (submitter, &chain.parts.head, &begin),
        (submitter, queries, &check),
        (chain.router, &payload, &verify),
    ];
    for (from, argument, call) in calls {
        let whole = call(argument);
        for cut in cuts(argument.len(), step) {
            let shorter = Bytes::from(call(&argument[..cut]));
            let answer = chain.ask(from, chain.verifier, &shorter).await;
            assert!(answer.is_err(), "argument cut to {cut}: {answer:?}");
        }
        for cut in cuts(whole.len() - 4, step) {
            let shorter = Bytes::copy_from_slice(&whole[..4 + cut]);
            let answer = chain.ask(from, chain.verifier, &shorter).await;
            assert!(answer.is_err(), "call cut to {cut}: {answer:?}");
        }
        let answer = chain.ask(from, chain.verifier, &whole.into()).await;
        assert!(answer.is_ok(), "the whole call: {answer:?}");
    }
}

#[tokio::test]
async fn swr_3_takes_nothing_of_the_sample_cut_short_at_any_word() {
    takes_nothing_cut_short(&Chain::new(Parts::sample()).await, 32).await;
}

#[tokio::test]
async fn swr_3_takes_nothing_of_a_real_proof_cut_short() {
    // At every word it would take very long; the sample is cut there.
    takes_nothing_cut_short(&Chain::new(Parts::real()).await, 32 * 373).await;
}
