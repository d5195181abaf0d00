// Measures what the loss of a part costs: three masters on an etcd of three on this machine, a client that writes without pause, an agent's
// connection that beats once a second and follows by an informer. Run it by itself:
//   bin/copepod-node test/ha/failover.ts [--runs 20] [--only master|etcd|machine]
// Prints a table: for each loss the longest time without a successful write and the longest in which the agent heard of none.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CONFIG_MAP, LEASE } from '@copepod/api/kinds';
import { systemClock } from '@copepod/client/clock';
import { createInformer } from '@copepod/client/informer';
import { createFailoverTransport, createHttpsTransport, loadKubeconfig, resourceClient, type Transport } from '@copepod/client/rest';
import { eventually } from '../cluster.ts';
import { type Master, type Masters, startMasters } from './masters.ts';

export const LOSSES = ['master', 'etcd', 'machine'] as const;
export type Loss = (typeof LOSSES)[number];

export interface Outage {
  /** Longest time between two successful writes, milliseconds. */
  readonly writesMs: number;
  /** Longest time between two changes that reached the agent, milliseconds. */
  readonly agentMs: number;
}

const WHAT: Readonly<Record<Loss, string>> = {
  master: 'the leading master is killed',
  etcd: 'etcd\'s leader is killed',
  machine: 'the machine of etcd\'s leader falls silent (its master and its etcd are stopped, connections stay open)',
};
/** As agents have it. */
const TIMEOUT_MS = 3000;
const REF = { namespace: 'default', name: 'failover' };

/** How long a client went without, from the marks it made. */
class Gaps {
  #last = performance.now();
  longest = 0;
  count = 0;

  mark(): void {
    const now = performance.now();
    this.longest = Math.max(this.longest, now - this.#last);
    this.#last = now;
    this.count += 1;
  }

  begin(): void {
    this.#last = performance.now();
    this.longest = 0;
    this.count = 0;
  }
}

async function clientOf(masters: readonly Master[]): Promise<Transport> {
  return createFailoverTransport(await Promise.all(masters.map(async ({ url, kubeconfig }) => createHttpsTransport({ ...await loadKubeconfig(kubeconfig), server: url, timeoutMs: TIMEOUT_MS }))));
}

/** Runs until the signal aborts. */
async function write(transport: Transport, gaps: Gaps, signal: AbortSignal): Promise<void> {
  const maps = resourceClient(transport, CONFIG_MAP);
  for (let count = 0; !signal.aborted; count += 1) {
    try {
      await maps.patch(REF, { type: 'merge', body: { data: { count: String(count) } } });
      gaps.mark();
      await sleep(5);
    } catch {
      await sleep(20);
    }
  }
}

async function beat(transport: Transport, signal: AbortSignal): Promise<void> {
  const leases = resourceClient(transport, LEASE);
  while (!signal.aborted) {
    await leases.patch({ namespace: 'kube-node-lease', name: 'failover' }, { type: 'merge', body: { spec: { renewTime: new Date(Date.now()).toISOString() } } }).catch(() => {});
    await sleep(1000);
  }
}

async function etcdLeader({ etcd }: Masters): Promise<number> {
  return eventually('a leader of etcd', async () => {
    const led = await Promise.all(etcd.members.map(async ({ endpoint }) => {
      const response = await fetch(`${endpoint}/metrics`, { signal: AbortSignal.timeout(1000) });
      return (await response.text()).includes('\netcd_server_is_leader 1');
    }));
    return led.indexOf(true);
  }, (index) => index >= 0);
}

async function leadingMaster(cluster: Masters, transport: Transport): Promise<number> {
  return eventually('a leading master', async () => {
    const identity = (await resourceClient(transport, LEASE).get({ namespace: 'kube-system', name: 'copepod-controller-manager' })).spec?.holderIdentity ?? '';
    return cluster.masters.findIndex((master) => identity !== '' && master.output().includes(identity));
  }, (index) => index >= 0);
}

/** Breaks something; the result mends it. */
async function lose(loss: Loss, cluster: Masters, transport: Transport): Promise<() => Promise<void>> {
  if (loss === 'etcd') {
    const member = cluster.etcd.members[await etcdLeader(cluster)];
    await member?.kill();
    return async () => member?.restart();
  }
  if (loss === 'machine') {
    const index = await etcdLeader(cluster);
    const [member, master] = [cluster.etcd.members[index], cluster.masters[index]];
    master?.signal('SIGSTOP');
    member?.signal('SIGSTOP');
    return async () => {
      member?.signal('SIGCONT');
      master?.signal('SIGCONT');
    };
  }
  const index = await leadingMaster(cluster, transport);
  const master = cluster.masters[index];
  await master?.kill();
  return async () => {
    if (master !== undefined) cluster.masters[index] = await cluster.start(master.name, Number(new URL(master.url).port));
  };
}

/** So many outages of one kind, one after the other on one cluster. `onRun` hears of each. */
export async function measure(loss: Loss, runs: number, onRun: (outage: Outage) => void = () => {}): Promise<readonly Outage[]> {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-failover-'));
  const cluster = await startMasters({ folder });
  const stop = new AbortController();
  const outages: Outage[] = [];
  let running: Promise<unknown> = Promise.resolve();
  try {
    const [writer, agent] = [await clientOf(cluster.masters), await clientOf(cluster.masters)];
    await resourceClient(writer, CONFIG_MAP).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: REF });
    await resourceClient(agent, LEASE).create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace: 'kube-node-lease', name: 'failover' }, spec: {} });
    const [writes, heard] = [new Gaps(), new Gaps()];
    const informer = createInformer({ client: resourceClient(agent, CONFIG_MAP), clock: systemClock, namespace: 'default' });
    informer.onChange(() => heard.mark());
    running = Promise.all([informer.run(stop.signal), write(writer, writes, stop.signal), beat(agent, stop.signal)]);
    for (let run = 0; run < runs; run += 1) {
      await sleep(2000);
      for (const gaps of [writes, heard]) gaps.begin();
      const mend = await lose(loss, cluster, writer);
      // Longer than a leader's lease, so that what it costs is seen whole.
      await sleep(12_000);
      for (const gaps of [writes, heard]) gaps.mark();
      const outage = { writesMs: Math.round(writes.longest), agentMs: Math.round(heard.longest) };
      outages.push(outage);
      onRun(outage);
      await mend();
      await eventually('all masters ready', () => Promise.all(cluster.masters.map(async (master) => {
        const transport = await master.transport();
        try {
          return (await transport.request({ method: 'GET', path: '/readyz' })).status;
        } finally {
          await transport.close();
        }
      })), (statuses) => statuses.every((status) => status === 200));
    }
    return outages;
  } finally {
    stop.abort();
    await Promise.race([running, sleep(TIMEOUT_MS * 2)]);
    await cluster.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function row(loss: Loss, outages: readonly Outage[]): string {
  const of = (pick: (outage: Outage) => number): string => {
    const sorted = outages.map(pick).sort((a, b) => a - b);
    const seconds = (ms: number | undefined): string => ((ms ?? 0) / 1000).toFixed(2);
    return `${seconds(sorted[Math.floor(sorted.length / 2)])} | ${seconds(sorted.at(-1))}`;
  };
  return `| ${WHAT[loss]} | ${outages.length} | ${of((outage) => outage.writesMs)} | ${of((outage) => outage.agentMs)} |`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '20' }, only: { type: 'string' } } });
  process.stdout.write('| lost | runs | no write, s: median | longest | agent hears nothing, s: median | longest |\n|---|---|---|---|---|---|\n');
  for (const loss of LOSSES.filter((known) => values.only === undefined || known === values.only)) {
    const outages = await measure(loss, Number(values.runs), (outage) => process.stderr.write(`${loss} ${JSON.stringify(outage)}\n`));
    process.stdout.write(`${row(loss, outages)}\n`);
  }
}
