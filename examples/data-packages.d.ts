// Types of data packages that have none.

declare module 'mnist' {
  /** For each digit, its images: 28 × 28 numbers from 0 to 1, row by row. */
  const digits: readonly { readonly length: number; get(which: number): number[] }[]
  export = digits
}

declare module '@tesseract.js-data/eng' {
  const trained: { readonly code: string; readonly gzip: boolean; readonly langPath: string }
  export = trained
}
