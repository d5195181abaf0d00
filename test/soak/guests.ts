// The hostile guests, ROUNDS of them (10,000 unless the environment says otherwise): memory stays flat, nothing is left behind.
import { openRuntime } from '@copepod/runtime';
import { soak } from '@copepod/runtime/soak';

const rounds = Number(process.env['ROUNDS'] ?? 10_000);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { before, after, threadsLeft, inFlight, limitHits } = await soak(openRuntime(), { rounds, warmUp: Math.max(3000, rounds / 2), say });
const growth = after.resident / before.resident - 1;
say(`memory grew by ${(growth * 100).toFixed(1)}%; limits hit: ${JSON.stringify(limitHits)}`);
const failures = [
  ...(growth > 0.05 ? [`resident memory grew by ${(growth * 100).toFixed(1)}%, and may by 5%`] : []),
  ...(after.descriptors > before.descriptors ? [`${after.descriptors - before.descriptors} descriptors were left open`] : []),
  ...(threadsLeft > 0 ? [`${threadsLeft} threads are left`] : []),
  ...(inFlight > 0 ? [`${inFlight} guests are still at work`] : []),
];
for (const failure of failures) say(`FAILED ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
