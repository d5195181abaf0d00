// A guest that calls another: what the call adds to its answer, in process and over TCP.

import { ask, example, guest, interleave, type Measurement, missingTools, type Scenario, startPrecompiledPeer, startRuntime, untilAnswer, wrk } from '../harness/index.ts';

const SECONDS = 2;
const METRIC = 'added by the call, p50';
const [IN_PROCESS, TCP, PEER] = ['copepod in process', 'copepod over TCP', 'wasmtime serve over TCP'];

export const chain: Scenario = {
  name: 'chain',
  group: 'runtime',
  title: 'A guest calls a guest',
  method: `\`wrk -t1 -c1\` for ${SECONDS} s a round on one caller (\`bench/guests/caller.wat\`, wasi:http 0.2), whose path says whom it asks: nobody, \`examples/hello-tiny\` by its Service's name, which stays in the process, or the same one by the gateway's loopback address. What the call adds is the median latency with it less that without it, and in every case holds the called guest's own fresh instance. The peer is the same caller in one \`wasmtime serve\` that calls another.`,
  bars: [{ metric: METRIC, subject: IN_PROCESS, peer: TCP, atMost: 0.2 }],
  missing: () => missingTools('wrk', 'wasmtime'),
  async run({ rounds, say }) {
    const [called, caller] = [example('hello-tiny'), await guest('caller')];
    const ours = await startRuntime({ services: [{ name: 'hello', file: called }, { name: 'caller', file: caller, mayCallLoopback: true }] });
    const peers = [await startPrecompiledPeer(called), await startPrecompiledPeer(caller)] as const;
    const host = 'caller.localhost';
    const authority = (url: string): string => url.slice('http://'.length);
    const latency = async (url: string, options: { readonly host?: string; readonly expect: string }): Promise<number> => {
      const target = { url, ...(options.host === undefined ? {} : { host: options.host }) };
      const { status, body } = await ask(target);
      if (status !== 200 || body !== options.expect) throw new Error(`${url} answered ${status} ${JSON.stringify(body)}`);
      return (await wrk(url, { connections: 1, seconds: SECONDS, ...(options.host === undefined ? {} : { host: options.host }) })).p50;
    };
    const got = { host, expect: 'called: hello from copepod\n' };
    try {
      await untilAnswer(`${ours.url}/hello`, host);
      for (const { url } of peers) await untilAnswer(url);
      say('one connection');
      const taken = await interleave(rounds, {
        none: async () => latency(`${ours.url}/`, { host, expect: 'called: ' }),
        [IN_PROCESS]: async () => latency(`${ours.url}/hello`, got),
        [TCP]: async () => latency(`${ours.url}/${authority(ours.url)}`, got),
        'none, peer': async () => latency(`${peers[1].url}/`, { expect: 'called: ' }),
        [PEER]: async () => latency(`${peers[1].url}/${authority(peers[0].url)}`, { expect: got.expect }),
      });
      const added = (subject: string, without: string): Measurement => ({
        subject, metric: METRIC, unit: 'µs', better: 'lower', samples: (taken[subject] ?? []).map((value, round) => value - (taken[without]?.[round] ?? Number.NaN)),
      });
      const bare = (subject: string, name: string): Measurement => ({ subject: name, metric: 'without a call, p50', unit: 'µs', better: 'lower', samples: taken[subject] ?? [] });
      return [added(IN_PROCESS, 'none'), added(TCP, 'none'), added(PEER, 'none, peer'), bare('none', 'copepod'), bare('none, peer', 'wasmtime serve')];
    } finally {
      await ours.stop();
      for (const peer of peers) await peer.stop();
    }
  },
};
