// A scenario: one driver with a program of its own in a world of one plan, judged as every run is.
import { Draw } from './draw.ts'
import type { Plan } from './plan.ts'
import { runWorld } from './run.ts'
import { World, type SimDriver } from './world.ts'

/** @returns what the program gave. @throws SimulationFailure when a promise was broken */
export async function play<T>(
  plan: Plan,
  program: (world: World, driver: SimDriver) => Promise<T>,
): Promise<T> {
  const draw = new Draw('scenario')
  const world = new World(draw, { ...plan, driverCount: 1 })
  let given: { readonly value: T } | undefined
  const failure = await runWorld(world, draw, {
    program: (driver) => ({
      doing: 'the scenario',
      run: async () => {
        given = { value: await program(world, driver) }
      },
    }),
  })
  if (failure !== undefined) throw failure
  if (given === undefined) throw new Error('the scenario gave nothing')
  return given.value
}
