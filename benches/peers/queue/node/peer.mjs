// What both peers in Node share: one line of JSON in, one line out.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

// How many callers enqueue many tasks at a time, and how many tasks one call enqueues.
const BULK_CALLERS = 2
const BULK = 1000

// The longest that a task may take.
const LIMIT = 120_000

// Does the task on standard input and prints its answer.
//
// `open` gives a queue: `one` and `many` enqueue, `work` starts a worker that calls what it is given whenever a task starts, and
// `left` is a query that finds what has not succeeded yet.
export async function perform(name, open) {
  const [line] = await once(createInterface({ input: process.stdin }), 'line')
  const task = JSON.parse(line)
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url)
  const answer = { version: JSON.parse(readFileSync(manifest, 'utf8')).version }
  try {
    const late = sleep(LIMIT).then(() => Promise.reject(new Error('it did not end in time')))
    Object.assign(answer, await Promise.race([late, works(name, task)(await open(task), task)]))
  } catch (error) {
    answer.error = String(error)
  }
  // What the peer has left open does not keep the process.
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
}

function works(name, { task }) {
  const work = { drain, enqueue, bulk, starts }[task]
  if (!work) throw new Error(`${task} is no task of ${name}`)
  return work
}

async function drain(queue, { tasks, place }) {
  await inBulk(queue, tasks)
  const watch = new pg.Client(place)
  await watch.connect()
  let ran = 0
  const all = Promise.withResolvers()
  return timed(async () => {
    await queue.work(() => {
      ran += 1
      if (ran === tasks) all.resolve()
    })
    await all.promise
    await emptied(watch, queue)
  })
}

function enqueue(queue, { tasks, callers }) {
  return timed(() => each(tasks, callers, () => queue.one()))
}

function bulk(queue, { tasks }) {
  return timed(() => inBulk(queue, tasks))
}

async function starts(queue, { tasks, place }) {
  const watch = new pg.Client(place)
  await watch.connect()
  let started
  await queue.work(() => started.resolve(performance.now()))
  const ms = []
  // The first may find a worker that does not listen yet, so it does not count.
  for (let index = 0; index <= tasks; index += 1) {
    started = Promise.withResolvers()
    const asked = performance.now()
    await queue.one()
    const took = (await started.promise) - asked
    if (index > 0) ms.push(took)
    await emptied(watch, queue)
  }
  return { ms }
}

// Seconds that the work takes.
async function timed(work) {
  const began = performance.now()
  await work()
  return { seconds: (performance.now() - began) / 1e3 }
}

function inBulk(queue, tasks) {
  return each(Math.ceil(tasks / BULK), BULK_CALLERS, (index) => queue.many(Math.min(BULK, tasks - index * BULK)))
}

// Calls `one` with the numbers below `count`, by as many callers.
async function each(count, callers, one) {
  let next = 0
  const call = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: callers }, call))
}

// Returns when the success of every task is in the database.
async function emptied(watch, queue) {
  while ((await watch.query(queue.left)).rows.length) await sleep(1)
}
