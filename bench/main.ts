// `npm run bench [scenario…] [-- --rounds N] [--build-peer] [--no-write]`: measures, writes bench/results.json and bench/RESULTS.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPeer, judge, machine, renderMarkdown, type Results, type Scenario, type ScenarioResult } from './harness/index.ts';
import { decisions } from './scenarios/decisions.ts';
import { firstAnswer } from './scenarios/first-answer.ts';
import { replicas } from './scenarios/replicas.ts';
import { store } from './scenarios/store.ts';
import { throughput } from './scenarios/throughput.ts';

/** Every scenario: a new one is a file and a line here. */
const SCENARIOS: readonly Scenario[] = [firstAnswer, throughput, replicas, store, decisions];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '5' }, 'build-peer': { type: 'boolean' }, 'no-write': { type: 'boolean' } } });
const rounds = Number(values.rounds);
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0 || !Number.isSafeInteger(rounds) || rounds < 1) {
  process.stderr.write(`bench: ${unknown.length > 0 ? `there is no scenario ${unknown.join(', ')}; there are ${SCENARIOS.map((scenario) => scenario.name).join(', ')}` : `--rounds ${values.rounds} is not a whole number of at least 1`}\n`);
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
for (const scenario of SCENARIOS) if (positionals.length === 0 || positionals.includes(scenario.name)) measured.push(await measure(scenario));
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
if (measured.some((result) => result.bars.some((bar) => !bar.met))) process.exitCode = 1;
