// The other thread of the column `bare`: for each round that is asked of it, it reads the lists of
// the first, or makes lists and writes them.
import { workerData } from 'node:worker_threads'
import { ASKED, awaitTold, DONE, read, type Shared, tell, write } from './lists.ts'

export interface Work {
  readonly shared: Shared
  readonly does: 'reads' | 'writes'
  readonly listCount: number
  readonly length: number
}

const { shared, does, listCount, length } = workerData as Work

function range(): number[] {
  const list: number[] = []
  for (let i = 0; i < length; i += 1) list.push(i)
  return list
}

for (let round = 1; ; round += 1) {
  awaitTold(shared.told, ASKED, round)
  if (does === 'reads') read(listCount, shared)
  else write(Array.from({ length: listCount }, range), shared)
  tell(shared.told, DONE, round)
}
