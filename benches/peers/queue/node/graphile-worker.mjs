// graphile-worker: its runner, plain and with its local queue, and its utilities.

import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { perform } from './peer.mjs'

const PLAIN = { concurrentJobs: 24, maxPoolSize: 26 }
// Tasks are fetched many at a time, and told as done together with those that ended in the same turn of the event loop.
const LOCAL_QUEUE = { ...PLAIN, concurrentJobs: 100, localQueue: { size: 1000 }, completeJobBatchDelay: 0 }

// It tells of every task otherwise.
const logger = new Logger(() => () => {})

await perform('graphile-worker', async ({ place, setting }) => {
  const utils = await makeWorkerUtils({ connectionString: place, logger })
  await utils.migrate()
  const settings = setting === 'local queue' ? LOCAL_QUEUE : PLAIN
  return {
    one: () => utils.addJob('nothing', {}),
    many: (count) => utils.addJobs(Array.from({ length: count }, () => ({ identifier: 'nothing', payload: {} }))),
    work: (started) =>
      run({
        noHandleSignals: true,
        taskList: { nothing: () => started() },
        preset: { worker: { connectionString: place, logger, ...settings } },
      }),
    left: 'SELECT 1 FROM graphile_worker._private_jobs LIMIT 1',
  }
})
