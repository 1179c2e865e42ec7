import { expect, it } from 'vitest'

import { curlOf } from './curl'

it('quotes what a shell would touch, and lets it put in the variables of headers', () => {
  expect(curlOf('http://x/', { headers: ['A: $TOKEN', 'B: 1'], body: { it: "Ada's" } })).toBe(
    String.raw`curl 'http://x/' \
  -H "A: $TOKEN" \
  -H 'B: 1' \
  -H 'Content-Type: application/json' \
  -d '{"it":"Ada'\''s"}'`,
  )
})
