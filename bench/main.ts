// `npm run bench -- [scenario or group…] [--rounds N] [--build-peer] [--no-write]`: measures, writes bench/results.json and bench/RESULTS.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPeer, judge, machine, renderMarkdown, type Results, type Scenario, type ScenarioResult } from './harness/index.ts';
import { chain } from './scenarios/chain.ts';
import { decisions } from './scenarios/decisions.ts';
import { firstAnswer } from './scenarios/first-answer.ts';
import { footprint } from './scenarios/footprint.ts';
import { httpFresh } from './scenarios/http-fresh.ts';
import { httpJavascript } from './scenarios/http-javascript.ts';
import { httpReused } from './scenarios/http-reused.ts';
import { instantiate } from './scenarios/instantiate.ts';
import { neighbour } from './scenarios/neighbour.ts';
import { replicas } from './scenarios/replicas.ts';
import { store } from './scenarios/store.ts';
import { throughput } from './scenarios/throughput.ts';
import { waysIn } from './scenarios/ways-in.ts';

/** Every scenario: a new one is a file and a line here. */
const SCENARIOS: readonly Scenario[] = [
  instantiate, httpFresh, httpReused, httpJavascript, waysIn, chain, footprint, neighbour,
  firstAnswer, throughput, replicas, store, decisions,
];
const GROUPS = [...new Set(SCENARIOS.map(({ group }) => group))];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '5' }, 'build-peer': { type: 'boolean' }, 'no-write': { type: 'boolean' } } });
const rounds = Number(values.rounds);
const asked = ({ name, group }: Scenario): boolean => positionals.length === 0 || positionals.includes(name) || positionals.includes(group);
const unknown = positionals.filter((wanted) => !SCENARIOS.some(({ name, group }) => name === wanted || group === wanted));
if (unknown.length > 0 || !Number.isSafeInteger(rounds) || rounds < 1) {
  process.stderr.write(`bench: ${unknown.length > 0 ? `there is no scenario ${unknown.join(', ')}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}, and the groups ${GROUPS.join(' and ')}` : `--rounds ${values.rounds} is not a whole number of at least 1`}\n`);
  process.exit(2);
}
if (values['build-peer'] === true) buildPeer();

async function measure(scenario: Scenario): Promise<ScenarioResult> {
  const { name, title, method } = scenario;
  const skipped = scenario.missing?.();
  if (skipped !== undefined) {
    process.stderr.write(`bench: ${name} not run: ${skipped}\n`);
    return { name, title, method, skipped, measurements: [], bars: [] };
  }
  const measurements = await scenario.run({ rounds, say: (text) => void process.stderr.write(`bench: ${name}: ${text}\n`) });
  return { name, title, method, skipped, measurements, bars: judge(scenario, measurements) };
}

/** Scenarios that were not asked for keep the results they have. */
function earlier(file: string): readonly ScenarioResult[] {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Results).results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const file = join(import.meta.dirname, 'results.json');
const measured: ScenarioResult[] = [];
for (const scenario of SCENARIOS) if (asked(scenario)) measured.push(await measure(scenario));
const kept = earlier(file);
const results: Results = {
  date: new Date().toISOString().slice(0, 10), machine: machine(),
  results: SCENARIOS.flatMap((scenario) => measured.find((result) => result.name === scenario.name) ?? kept.find((result) => result.name === scenario.name) ?? []),
};
process.stdout.write(renderMarkdown({ ...results, results: measured }));
if (values['no-write'] !== true) {
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), renderMarkdown(results));
}
if (measured.some((result) => result.bars.some((bar) => !bar.met && bar.aim !== true))) process.exitCode = 1;
