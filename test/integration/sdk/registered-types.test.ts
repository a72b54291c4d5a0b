// Classes of the user's inside values.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SerializationError, TaskError, get, init, put, shutdown } from 'virga'
import { Point, Secret, mirrored, norm, secret } from './tasks.ts'

beforeAll(async () => {
  await init({ address: 'local', numCpus: 1 })
})
afterAll(shutdown)

test('an instance is an argument of the very first task of a worker', async () => {
  expect(await norm.run(new Point(3, 4))).toBe(5)
})

test('instances come back inside results, with their class', async () => {
  const [point] = await mirrored.run([new Point(1, 2)])
  expect(point).toBeInstanceOf(Point)
  expect(point).toMatchObject({ x: 2, y: 1 })
})

test('instances are put and got', async () => {
  const value = await get(await put({ at: new Map([['home', new Point(6, 8)]]) }))
  expect(value.at.get('home')?.norm).toBe(10)
})

test('a class that is not registered is refused at the call, with the path', () => {
  let error: unknown
  try {
    norm.remote({ inner: new Secret() } as never)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(SerializationError)
  expect((error as SerializationError).data['path']).toBe('args[0].inner')
})

test('a class that is not registered fails the task that returns it', async () => {
  const error = await secret.run().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TaskError)
  expect((error as TaskError).cause).toBeInstanceOf(SerializationError)
})
