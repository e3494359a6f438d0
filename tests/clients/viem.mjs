// Deploys and uses a token with viem, unmodified, through the gateway.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node viem.mjs CONFIG.json
//
// CONFIG: { url, token, chain_id, private_key, recipient, artifact }
// Prints one JSON object with what it saw; any surprise is an exception.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createPublicClient, createWalletClient, defineChain, http, parseUnits } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const artifact = JSON.parse(readFileSync(config.artifact, 'utf8'));
const abi = artifact.abi;
const account = privateKeyToAccount(config.private_key);
const chain = defineChain({
  id: config.chain_id,
  name: 'Cloister',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [config.url] } },
});
const transport = http(config.url, {
  fetchOptions: { headers: { authorization: `Bearer ${config.token}` } },
});
const reader = createPublicClient({ chain, transport, pollingInterval: 100 });
const writer = createWalletClient({ chain, transport, account });

assert.equal(await reader.getChainId(), config.chain_id);

const deployment = await writer.deployContract({
  abi, bytecode: artifact.bytecode.object, args: ['Viem Token', 'VIEM'],
});
const deployed = await reader.waitForTransactionReceipt({ hash: deployment });
assert.equal(deployed.status, 'success');
const address = deployed.contractAddress;

const amount = parseUnits('1000', 18);
const mint = await writer.writeContract({ address, abi, functionName: 'mint', args: [account.address, amount] });
assert.equal((await reader.waitForTransactionReceipt({ hash: mint })).status, 'success');

const sent = parseUnits('12.5', 18);
const { request } = await reader.simulateContract({
  account, address, abi, functionName: 'transfer', args: [config.recipient, sent],
});
const transfer = await writer.writeContract(request);
const receipt = await reader.waitForTransactionReceipt({ hash: transfer });
assert.equal(receipt.status, 'success');
assert.equal(receipt.logs.length, 1);

const read = (functionName, args) =>
  reader.readContract({ account, address, abi, functionName, args });
assert.equal(await read('balanceOf', [config.recipient]), sent);
assert.equal(await read('balanceOf', [account.address]), amount - sent);
assert.equal(await read('name', []), 'Viem Token');

const logs = await reader.getContractEvents({
  address, abi, eventName: 'Transfer', fromBlock: deployed.blockNumber, toBlock: 'latest',
});
assert.equal(logs.length, 2);

await assert.rejects(
  reader.simulateContract({
    account, address, abi, functionName: 'transfer', args: [config.recipient, amount * 2n],
  }),
  /ERC20InsufficientBalance/,
);
const block = await reader.getBlock({ blockNumber: receipt.blockNumber, includeTransactions: true });
assert.ok(block.transactions.some((transaction) => transaction.hash === transfer));
const found = await reader.getTransaction({ hash: transfer });
assert.equal(found.from.toLowerCase(), account.address.toLowerCase());

console.log(JSON.stringify({ address, transfer, block: Number(receipt.blockNumber) }));
