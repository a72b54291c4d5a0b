// Bodies as files of one folder: the embedded cluster on one machine. A body appears whole, by
// rename, so that no reader sees a part of it.
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { BodyInfo, BodyStore } from './body-store.ts'

const PART = '.part-'

export class FileBodyStore implements BodyStore {
  readonly #folder: string
  #writes = 0

  /** @param folder  made when it is needed, readable by this user alone. */
  constructor(folder: string) {
    this.#folder = folder
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const part = join(this.#folder, `${PART}${String(process.pid)}-${String(this.#writes++)}`)
    await writeFile(part, bytes, { mode: 0o600 })
    await mkdir(dirname(this.#path(key)), { recursive: true, mode: 0o700 })
    await rename(part, this.#path(key))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(key))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true })
  }

  async list(
    prefix: string,
    { after = '', limit }: { after?: string; limit: number },
  ): Promise<readonly BodyInfo[]> {
    const keys = (await this.#keys())
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted()
      .slice(0, limit)
    const infos = await Promise.all(keys.map((key) => this.#info(key)))
    return infos.filter((info) => info !== undefined)
  }

  async #keys(): Promise<string[]> {
    try {
      const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile() && !entry.name.startsWith(PART))
        .map((entry) => keyOf(relative(this.#folder, join(entry.parentPath, entry.name))))
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  async #info(key: string): Promise<BodyInfo | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#path(key))
      return { key, sizeBytes: size, ageMs: Date.now() - mtimeMs }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  #path(key: string): string {
    return join(this.#folder, ...namesOf(key))
  }
}

/** A key in pieces that a file system takes; every piece but the last is a folder. */
function namesOf(key: string): string[] {
  const pieces = encodeURIComponent(key).match(/.{1,200}/g) ?? []
  return pieces.map((piece, index) => (index < pieces.length - 1 ? `${piece}+` : `${piece}=`))
}

const keyOf = (path: string): string => decodeURIComponent(path.replaceAll(/[+=]|[/\\]/g, ''))

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'
