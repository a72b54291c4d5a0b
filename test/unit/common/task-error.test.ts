// What a task threw, as its caller sees it; stacks taken apart and put together.
import { describe, expect, test } from 'vitest'
import { LostError } from '../../../runtime/common/errors.ts'
import type { TaskError } from '../../../runtime/common/errors.ts'
import { fromWire, toWire } from '../../../runtime/common/error-wire.ts'
import { framesOf, userFrames } from '../../../runtime/common/stack.ts'
import type { StackView } from '../../../runtime/common/stack.ts'
import {
  addCallSite,
  describeThrown,
  showErrors,
  taskErrorOf,
} from '../../../runtime/common/task-error.ts'

const task = {
  name: 'square',
  taskId: '0123456789abcdef0123456789abcdef',
  nodeId: 'feedbeef0000feedbeef0000feed',
  pid: 4711,
  workerId: 'aa',
  attempts: 1,
}
const view: StackView = { internalPrefixes: ['file:///virga/dist/'] }

const thrownInWorker = (): RangeError => {
  const error = new RangeError('too big:\n  9')
  error.stack = [
    'RangeError: too big:',
    '  9',
    '    at square (file:///app/main.ts:3:9)',
    '    at async Promise.all (index 0)',
    '    at Worker.run (file:///virga/dist/worker-main.js:10:5)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)',
  ].join('\n')
  return error
}

const callSite = [
  'Error',
  '    at get (file:///virga/dist/index.js:1:2)',
  '    at async main (file:///app/main.ts:20:3)',
].join('\n')

test('the message says which task threw what, and where', () => {
  const error = taskErrorOf(thrownInWorker(), task)
  expect(error.message).toBe(
    'square threw RangeError: too big:\n  9 (task 0123456789ab, pid 4711, node feedbeef0000)',
  )
  const again = taskErrorOf('text', { ...task, actorId: 'ac70', attempts: 4 })
  expect(again.message).toContain("square threw 'text'")
  expect(again.message).toContain('actor ac70')
  expect(again.message).toContain('attempt 3)') // of four, as runtimeContext() counts them
})

test('cause is the very value thrown, and task tells where', () => {
  for (const thrown of [thrownInWorker(), 'text', undefined, null, 7, { code: 1 }]) {
    const error = taskErrorOf(thrown, task)
    expect(error.cause).toBe(thrown)
    expect(error.task).toEqual(task)
    const back = fromWire(toWire(error)) as TaskError
    expect(back.cause).toBe(thrown)
    expect(back.task).toEqual(task)
  }
})

test('the stack has the user frames of the task first, then the call site of the driver', () => {
  const error = fromWire(toWire(taskErrorOf(thrownInWorker(), task)))
  addCallSite(error, callSite, 'driver', view)
  expect(error.stack).toBe(
    [
      `TaskError: ${error.message}`,
      '    at square (file:///app/main.ts:3:9)',
      '    at async Promise.all (index 0)',
      '    --- driver ---',
      '    at async main (file:///app/main.ts:20:3)',
    ].join('\n'),
  )
})

test('a task error that goes through two processes keeps the frames of each', () => {
  const inner = taskErrorOf(thrownInWorker(), task)
  addCallSite(inner, 'Error\n    at outer (file:///app/main.ts:7:1)', 'worker 12', view)
  const outer = taskErrorOf(inner, { ...task, name: 'outer' })
  addCallSite(outer, callSite, 'driver', view)
  expect(framesOf(outer.stack ?? '')).toEqual([
    '    at square (file:///app/main.ts:3:9)',
    '    at async Promise.all (index 0)',
    '    --- worker 12 ---',
    '    at outer (file:///app/main.ts:7:1)',
    '    --- driver ---',
    '    at async main (file:///app/main.ts:20:3)',
  ])
})

test('an error of the system shows the call site alone, not where the system made it', () => {
  const error = new LostError('gone')
  addCallSite(error, callSite, 'driver', view)
  expect(error.stack).toBe('LostError: gone\n    at async main (file:///app/main.ts:20:3)')
})

test('frames of bundled code are mapped to the sources', () => {
  const mapped = userFrames(
    ['    at f (file:///out/app.js:1:200)', '    at file:///out/app.js:1:7', '    at x (native)'],
    {
      internalPrefixes: [],
      map: ({ file, line, column }) =>
        column === 200
          ? { file: file.replace('out/app.js', 'src/app.ts'), line: line + 8, column: 5 }
          : undefined,
    },
  )
  expect(mapped).toEqual(['    at f (file:///src/app.ts:9:5)', '    at file:///out/app.js:1:7'])
})

test('the stack of the user error itself can be trimmed, with its message whole', () => {
  const error = thrownInWorker()
  showErrors(error, view, new WeakSet())
  expect(error.stack).toBe(
    'RangeError: too big:\n  9\n    at square (file:///app/main.ts:3:9)\n    at async Promise.all (index 0)',
  )
})

test('so are its cause and the errors of an AggregateError, also in a cycle', () => {
  const parts = [thrownInWorker(), thrownInWorker()]
  const many = new AggregateError(parts, 'many', { cause: thrownInWorker() })
  const [first] = parts
  if (first !== undefined) first.cause = many
  showErrors(many, view, new WeakSet())
  for (const part of [...parts, many.cause as Error]) expect(part.stack).not.toContain('/virga/')
})

describe('frames', () => {
  const mapped: StackView = { ...view, map: () => ({ file: 'file:///src.ts', line: 7, column: 8 }) }
  test.each([
    ['    at f (file:///a.ts:1:2)', '    at f (file:///src.ts:7:8)'],
    ['    at file:///a.ts:1:2', '    at file:///src.ts:7:8'],
    ['    at async file:///a.ts:1:2', '    at async file:///src.ts:7:8'],
    ['    at async f (/a b/x.ts:1:2)', '    at async f (file:///src.ts:7:8)'],
    ['    at new Foo (/a (copy)/x.ts:1:2)', '    at new Foo (file:///src.ts:7:8)'],
    ['    at /a (copy)/x.ts:1:2', '    at file:///src.ts:7:8'],
    ['    at Foo.bar [as baz] (C:\\x.ts:1:2)', '    at Foo.bar [as baz] (file:///src.ts:7:8)'],
    ['    at Array.map (<anonymous>)', '    at Array.map (<anonymous>)'],
  ])('%s is shown as its source', (frame, shown) => {
    expect(userFrames([frame], mapped)).toEqual([shown])
  })

  test('a recursion of any depth is cut at 100 frames, the innermost kept', () => {
    const frames = Array.from({ length: 5000 }, (_, i) => `    at f (file:///a.ts:${i}:1)`)
    const kept = userFrames(frames, view)
    expect(kept.length).toBe(100)
    expect(kept[0]).toBe(frames[0])
  })

  test('a message that looks like a frame is not taken for one above the real ones', () => {
    const stack = 'Error: see\n    at home (x:1:1)\nthen\n    at f (file:///a.ts:1:1)'
    expect(framesOf(stack)).toEqual(['    at f (file:///a.ts:1:1)'])
  })
})

test('an error with accessors that throw is described all the same', () => {
  const error = new Error('x')
  Object.defineProperty(error, 'message', {
    get: () => {
      throw new Error('no')
    },
  })
  expect(describeThrown(error)).toBe('Error')
  expect(taskErrorOf(error, task).message).toContain('square threw Error (')
})
