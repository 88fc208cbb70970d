// pg-boss: its workers, which go on at once while batches come full, and its own notifications.

import { PgBoss } from 'pg-boss'
import { perform } from './peer.mjs'

const QUEUE = 'nothing'
const BATCHES = { batchSize: 500, burstWhenBatchFull: true, localConcurrency: 4 }

await perform('pg-boss', async ({ place, task }) => {
  const told = task === 'starts'
  const boss = new PgBoss({ connectionString: place, useListenNotify: told })
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`))
  await boss.start()
  await boss.createQueue(QUEUE, { notify: told })
  return {
    one: () => boss.send(QUEUE, {}),
    many: (count) => boss.insert(QUEUE, Array.from({ length: count }, () => ({ data: {} }))),
    work: (started) => boss.work(QUEUE, told ? {} : BATCHES, async (jobs) => jobs.forEach(started)),
    left: "SELECT 1 FROM pgboss.job WHERE state < 'completed' LIMIT 1",
  }
})
