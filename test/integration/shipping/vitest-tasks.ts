// Functions of a module that a test imports.
import { remote } from 'virga'

export const cube = remote((x: number): number => x ** 3)
