// What remote() gives, as it is shown: by console.log, in templates, and where somebody sends it as
// a value. What can be called are own properties of it; here are only its words.

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

interface Words {
  /** The name of the user's function or class, read when it is shown. */
  readonly nameOf: () => string
  readonly use: string
  /** What can be sent in its place. */
  readonly instead: string
}

let wordsOf: (target: object) => Words | undefined

class RemoteTarget {
  readonly #words: Words

  constructor(words: Words) {
    this.#words = words
  }

  static {
    wordsOf = (target) => (#words in target ? target.#words : undefined)
  }

  toString(): string {
    const { nameOf, use } = this.#words
    return `${this.constructor.name} ${nameOf()}: ${use}`
  }

  [INSPECT](): string {
    return this.toString()
  }
}

export class RemoteFunction extends RemoteTarget {
  constructor(nameOf: () => string) {
    super({
      nameOf,
      use: 'call it with .remote(…) or .run(…)',
      instead: 'the ObjectRef that its .remote(…) gives',
    })
  }
}

export class RemoteClass extends RemoteTarget {
  constructor(nameOf: () => string) {
    super({
      nameOf,
      use: 'make an actor of it with .remote(…)',
      instead: 'the handle that its .remote(…) gives',
    })
  }
}

/** Why a remote function or class cannot be sent, and what can; undefined for all else. */
export function refusalOfRemote(
  value: object,
): { readonly what: string; readonly hint: string } | undefined {
  const words = wordsOf(value)
  if (words === undefined) return undefined
  return {
    what: `it is the ${value.constructor.name} ${words.nameOf()}`,
    hint: `Import it in the task that uses it, or send ${words.instead}.`,
  }
}
