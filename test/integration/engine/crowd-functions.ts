// Functions of the tests with crowds: many workers, many children, workers that stand still.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { remote } from 'virga'

/** Ends once `count` of these run at the same time. */
export const meet = remote(async (folder: string, index: number, count: number) => {
  writeFileSync(join(folder, String(index)), '')
  while (readdirSync(folder).length < count) await sleep(10)
  return index
})

/** Never looks up until the file is there. */
export const spinUntil = remote((file: string) => {
  writeFileSync(`${file}.${String(process.pid)}`, '')
  while (!existsSync(file));
  return true
})

/** Starts programs that outlive it, each with a child of its own, and leaves them behind. */
export const forks = remote((count: number): number[] =>
  Array.from({ length: count }, () => {
    const child = spawn('sh', ['-c', 'sleep 30 & wait'], { stdio: 'inherit' })
    return child.pid ?? 0
  }),
)

export const RemoteEcho = remote(
  class Echo {
    readonly #index: number

    constructor(index: number) {
      this.#index = index
    }

    index(): number {
      return this.#index
    }
  },
)
