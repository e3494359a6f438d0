//! A world whose prover proves, with a stand-in for the engine that can be told to fail.

use std::path::Path;
use std::time::Duration;

use cloister_proto::prover::v1 as api;
use cloister_proto::prover::v1::prover_client::ProverClient;
use cloister_test_kit::port;
use cloister_test_kit::process::{Child, Program};
use cloister_test_kit::tools;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tonic::transport::Channel;

use crate::world::World;

/// A prover that proves, and perhaps machines beside it that only prove.
pub(crate) struct Proving {
    pub(crate) world: World,
    faults: Vec<Value>,
    machines: u16,
}

/// A process that only proves.
pub(crate) struct Machine {
    pub(crate) child: Child,
    admin: u16,
}

impl Machine {
    /// A metric's value; 0 when it was never set.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        let client = reqwest::Client::builder().no_proxy().build()?;
        let text = client.get(url).send().await?.text().await?;
        Ok(sum(&text, name))
    }
}

/// The sum of a metric over its labels.
pub(crate) fn sum(text: &str, name: &str) -> f64 {
    text.lines()
        .filter(|line| line.split([' ', '{']).next() == Some(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

impl Proving {
    /// Everything runs but the prover. `more` is added to `[prover]`.
    pub(crate) async fn new(more: &str) -> anyhow::Result<Self> {
        let mut world = World::new().await?;
        let folder = world.folder.path().to_owned();
        std::fs::create_dir(folder.join("engine"))?;
        for role in ["engine", "wrapper"] {
            write_program(&folder, role)?;
        }
        world.settings.proving = Some(section(&folder, more));
        Ok(Self {
            world,
            faults: Vec::new(),
            machines: 0,
        })
    }

    /// As [`Proving::new`], with the prover started.
    pub(crate) async fn started(more: &str) -> anyhow::Result<Self> {
        let mut proving = Self::new(more).await?;
        proving.world.start().await?;
        Ok(proving)
    }

    /// The setting that has the prover wrap.
    pub(crate) fn wrapper(&self) -> String {
        format!("wrapper = \"{}\"\n", self.engine_file("wrapper").display())
    }

    /// As [`Proving::started`], and the prover wraps.
    pub(crate) async fn wrapping(more: &str) -> anyhow::Result<Self> {
        let mut proving = Self::new(more).await?;
        proving.configure_wrapper();
        proving.world.start().await?;
        Ok(proving)
    }

    /// Has the prover wrap when it is started next.
    pub(crate) fn configure_wrapper(&mut self) {
        let wrapper = self.wrapper();
        let section = self.world.settings.proving.as_mut().unwrap();
        section.push_str(&wrapper);
    }

    /// Process ids of the engines (`engine`) or wrappers (`wrapper`) that were started and have not
    /// ended.
    pub(crate) fn alive(&self, role: &str) -> anyhow::Result<Vec<u32>> {
        let prefix = format!("ran-{role}-");
        let mut alive = Vec::new();
        for entry in std::fs::read_dir(self.world.file("engine"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(id) = name.strip_prefix(&prefix)
                && Path::new("/proc").join(id).exists()
            {
                alive.push(id.parse()?);
            }
        }
        Ok(alive)
    }

    fn engine_file(&self, name: &str) -> std::path::PathBuf {
        self.world.file("engine").join(name)
    }

    /// Has the stand-in for the engine fail: `how` at the action `action` of segment `index`, so many
    /// times.
    pub(crate) fn fault(&mut self, name: &str, action: &str, index: Option<u32>, how: &str) {
        self.faults_of(name, action, index, how, 1);
    }

    /// As [`Proving::fault`], so many times.
    pub(crate) fn faults_of(
        &mut self,
        name: &str,
        action: &str,
        index: Option<u32>,
        how: &str,
        times: u32,
    ) {
        self.push_fault(
            &json!({"name": name, "do": action, "index": index, "how": how, "times": times}),
        );
    }

    /// Adds a fault in the stand-in's own words.
    pub(crate) fn push_fault(&mut self, fault: &Value) {
        self.faults.push(fault.clone());
        let text = Value::from(self.faults.clone()).to_string();
        let part = self.engine_file("faults.part");
        std::fs::write(&part, text).unwrap();
        std::fs::rename(part, self.engine_file("faults.json")).unwrap();
    }

    /// Waits until the stand-in holds at a fault; its process and its parent.
    pub(crate) async fn until_held(&mut self, name: &str) -> anyhow::Result<(u32, u32)> {
        let file = self.engine_file(&format!("held-{name}"));
        self.world
            .until("the engine is held", async || {
                Ok(std::fs::read_to_string(&file)?.contains(' '))
            })
            .await?;
        let text = std::fs::read_to_string(&file)?;
        let (own, parent) = text.split_once(' ').unwrap();
        Ok((own.parse()?, parent.parse()?))
    }

    /// Lets a held engine go on.
    pub(crate) fn release(&self, name: &str) {
        std::fs::write(self.engine_file(&format!("release-{name}")), "").unwrap();
    }

    /// Pretends that another guest image was installed.
    pub(crate) fn install_image(&self, image: u32) {
        std::fs::write(self.engine_file("image"), image.to_string()).unwrap();
    }

    /// Pretends that the wrapper alone is of another guest image.
    pub(crate) fn install_wrapper_image(&self, image: u32) {
        std::fs::write(self.engine_file("image-wrapper"), image.to_string()).unwrap();
    }

    /// Seals a batch of so many segments; its number.
    pub(crate) fn seal(&self, segments: u32) -> u64 {
        self.seal_with(|input| input["segments"] = json!(segments))
    }

    /// Seals a batch whose input is changed before it can be fetched.
    pub(crate) fn seal_with(&self, change: impl FnOnce(&mut Value)) -> u64 {
        let batches = &self.world.batches;
        batches.seal(1);
        let number = batches.newest();
        let mut input = json!({
            "batch": number, "hash": batches.hash(number).to_string(), "segments": 1,
        });
        change(&mut input);
        batches.set_input(number, &input);
        number
    }

    /// A client as the gateway.
    pub(crate) fn client(&self) -> ProverClient<Channel> {
        self.world.client("gateway").unwrap()
    }

    /// How far a proof is.
    pub(crate) async fn proof(&self, batch: u64) -> anyhow::Result<api::ProofStatus> {
        Ok(self.world.batch(batch).await?.unwrap().proof.unwrap())
    }

    /// Waits until a proof is in a state.
    pub(crate) async fn until(&mut self, batch: u64, state: api::ProofState) -> anyhow::Result<()> {
        let client = self.client();
        let what = format!("batch {batch} is {state:?}");
        let request = api::GetBatchStatusRequest { number: batch };
        let ask = async || {
            let answer = client.clone().get_batch_status(request).await?;
            let status = answer.into_inner().status.unwrap_or_default();
            Ok(status.proof.is_some_and(|proof| proof.state() == state))
        };
        self.world.until(&what, ask).await
    }

    /// Waits until a batch is proved, and that its proof is about it.
    pub(crate) async fn until_proved(&mut self, batch: u64) -> anyhow::Result<()> {
        self.until(batch, api::ProofState::Verified).await?;
        let proof: Value = serde_json::from_slice(&self.final_proof(batch).await?)?;
        let hash = self.world.batches.hash(batch).to_string();
        assert_eq!(proof, json!({"kind": "final", "hash": hash}));
        Ok(())
    }

    /// Waits until the wrap of a batch is in a state.
    pub(crate) async fn until_wrap(
        &mut self,
        batch: u64,
        state: api::WrapState,
    ) -> anyhow::Result<()> {
        let client = self.client();
        let what = format!("the wrap of batch {batch} is {state:?}");
        let request = api::GetBatchStatusRequest { number: batch };
        let ask = async || {
            let answer = client.clone().get_batch_status(request).await?;
            let status = answer.into_inner().status.unwrap_or_default();
            Ok(status.proof.is_some_and(|proof| proof.wrap() == state))
        };
        self.world.until(&what, ask).await
    }

    /// Waits until a batch is wrapped, and that its wrap is about it.
    pub(crate) async fn until_wrapped(&mut self, batch: u64) -> anyhow::Result<()> {
        self.until_wrap(batch, api::WrapState::Done).await?;
        let mut connection = self.world.database.connect().await?;
        let bytes: Vec<u8> = sqlx::query_scalar(
            "select string_agg(data, ''::bytea order by number) from artefact_chunk \
             where artefact = (select wrap from proving where batch = $1)",
        )
        .bind(i64::try_from(batch)?)
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        let wrap: Value = serde_json::from_slice(&bytes)?;
        let hash = self.world.batches.hash(batch).to_string();
        assert_eq!(wrap, json!({"kind": "wrap", "hash": hash}));
        Ok(())
    }

    /// The job that wraps a batch.
    pub(crate) async fn wrap_job(&self, batch: u64) -> anyhow::Result<api::Job> {
        let jobs = self.jobs(batch).await?;
        let found = jobs.into_iter().find(|job| job.stage() == api::Stage::Wrap);
        Ok(found.unwrap())
    }

    /// The bytes of a final proof.
    pub(crate) async fn final_proof(&self, batch: u64) -> anyhow::Result<Vec<u8>> {
        let mut client = self.client();
        let answer = client.get_proof(api::GetProofRequest { batch }).await;
        let mut stream = answer?.into_inner();
        let mut proof = Vec::new();
        while let Some(part) = stream.message().await? {
            proof.extend_from_slice(&part.chunk);
        }
        Ok(proof)
    }

    /// Jobs of a batch, by layer and node.
    pub(crate) async fn jobs(&self, batch: u64) -> anyhow::Result<Vec<api::Job>> {
        let request = api::ListJobsRequest {
            batch,
            limit: 200,
            ..api::ListJobsRequest::default()
        };
        let mut jobs = self.client().list_jobs(request).await?.into_inner().jobs;
        jobs.sort_by_key(|job| (job.layer, job.node));
        Ok(jobs)
    }

    /// One job.
    pub(crate) async fn job(&self, batch: u64, layer: u32, node: u32) -> anyhow::Result<api::Job> {
        let jobs = self.jobs(batch).await?;
        let found = jobs
            .into_iter()
            .find(|job| (job.layer, job.node) == (layer, node));
        Ok(found.unwrap())
    }

    /// Takes a job up again as an operator.
    pub(crate) async fn retry(&self, id: u64) -> Result<(), tonic::Status> {
        let request = api::RetryJobRequest { id };
        self.client().retry_job(request).await.map(|_| ())
    }

    /// Gives up a job's batch as an operator.
    pub(crate) async fn discard(&self, id: u64) -> Result<(), tonic::Status> {
        let request = api::DiscardJobRequest { id };
        self.client().discard_job(request).await.map(|_| ())
    }

    /// Runs a statement on the prover's database; how many rows.
    pub(crate) async fn sql(&self, statement: &str) -> anyhow::Result<u64> {
        let mut connection = self.world.database.connect().await?;
        let done = sqlx::query(AssertSqlSafe(statement.to_owned()))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(done.rows_affected())
    }

    /// A number from the prover's database.
    pub(crate) async fn number(&self, query: &str) -> anyhow::Result<i64> {
        let mut connection = self.world.database.connect().await?;
        let row = sqlx::query(AssertSqlSafe(query.to_owned()))
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(row.try_get(0)?)
    }

    /// Waits until a number in the database is as wanted.
    pub(crate) async fn until_number(&mut self, query: &str, wanted: i64) -> anyhow::Result<()> {
        self.world.until_number(query, wanted).await
    }

    /// Mines and waits until the committer has looked at the new block, and had its chance to
    /// commit.
    pub(crate) async fn until_committer_saw_a_new_block(&mut self) -> anyhow::Result<()> {
        self.world.anvil.mine(2).await?;
        let head = self.world.node().head().await?.number;
        let url = self.world.prover.admin_url("/metrics");
        self.world
            .until("the committer has seen the block", async || {
                let client = reqwest::Client::builder().no_proxy().build()?;
                let text = client.get(&url).send().await?.text().await?;
                let seen = sum(&text, "cloister_prover_l1_head_block");
                Ok(seen >= f64::from(u32::try_from(head)?))
            })
            .await
    }

    /// Starts a machine that only proves.
    pub(crate) fn start_machine(&mut self, more: &str) -> anyhow::Result<Machine> {
        self.machines += 1;
        let admin = port::free()?;
        let folder = self.world.folder.path().to_owned();
        let database = &self.world.database;
        let text = format!(
            "[admin]\nlisten = \"127.0.0.1:{admin}\"\n\n[telemetry]\nlog = \"info\"\n\n\
             [database]\nhost = \"127.0.0.1\"\nport = {}\nname = \"{}\"\nuser = \"{}\"\n\
             password_file = \"database-password\"\n\n[prover]\n{}\n",
            database.port,
            database.name,
            database.user,
            section(&folder, more),
        );
        let config = folder.join(format!("worker-{}.toml", self.machines));
        std::fs::write(&config, text)?;
        let child = Program::new(tools::own_binary("cloister-prover")?)
            .arg("worker")
            .arg("--config")
            .arg(config.display().to_string())
            .start(&folder.join(format!("worker-{}.log", self.machines)))?;
        Ok(Machine { child, admin })
    }

    /// The sum of a metric of the prover over its labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        Ok(sum(&self.world.prover.metrics().await?, name))
    }

    /// Stops or continues the prover's process, as a machine that hangs.
    pub(crate) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.world.prover.id().unwrap().to_string();
        let status = tokio::process::Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .await?;
        anyhow::ensure!(status.success(), "cannot signal the prover");
        Ok(())
    }
}

fn section(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    let mut text = format!(
        "engine = \"{folder}/engine/program\"\nkey_cache = \"{folder}/keys\"\n\
         scratch = \"{folder}/scratch\"\n"
    );
    for (setting, value) in [
        ("workers", "1"),
        ("checkers", "0"),
        ("lease_ms", "3000"),
        ("retry_pause_ms", "10"),
        ("poll_ms", "20"),
        ("call_timeout_s", "60"),
        ("stop_grace_s", "0"),
    ] {
        if !more.contains(setting) {
            text.push_str(setting);
            text.push_str(" = ");
            text.push_str(value);
            text.push('\n');
        }
    }
    text + more
}

fn write_program(folder: &Path, role: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/engine.py");
    let text = format!(
        "#!/bin/sh\nexec python3 {script} {}/engine {role} \"$@\"\n",
        folder.display()
    );
    let name = if role == "engine" { "program" } else { role };
    let program = folder.join("engine").join(name);
    std::fs::write(&program, text)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The stable code of a refusal.
pub(crate) fn code(refused: &tonic::Status) -> &str {
    cloister_proto::code::code_of(refused).unwrap_or_default()
}

/// How long a process may take to leave.
pub(crate) const LEAVE: Duration = Duration::from_secs(20);

/// Nodes of the tree over so many segments.
pub(crate) fn nodes(segments: u32) -> u32 {
    let layers = cloister_prove::tree::layers(segments).unwrap();
    let nodes: usize = layers.iter().map(|layer| layer.nodes.len()).sum();
    u32::try_from(nodes).unwrap()
}

/// Jobs of a batch of so many segments: the execution, the segments, the tree, the end.
pub(crate) fn jobs(segments: u32) -> u32 {
    1 + segments + nodes(segments) + 1
}
