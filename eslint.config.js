import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

export default [
  // Nest needs decorators, which Node does not strip, so its recipe has a compiler and a package.json.
  { ignores: ['node_modules', 'dist', '.tap', 'coverage', 'examples/recipes/nest'] },
  ...neostandard({ ts: true }),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-unused-vars': 'off',
      '@typescript-eslint/no-redeclare': 'off',
      'no-void': ['error', { allowAsStatement: true }],
      'n/no-process-env': 'error',
      'max-lines': ['error', { max: 250, skipComments: true, skipBlankLines: true }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
      complexity: ['error', 15],
      'max-depth': ['error', 3]
    }
  },
  {
    files: ['test/**/*.ts', 'stores/contract/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      'n/no-process-env': 'off'
    }
  },
  { files: ['cli.ts'], rules: { 'n/no-process-env': 'off' } },
  {
    files: ['lib/**/*.ts', 'stores/**/*.ts', 'users/**/*.ts', 'config/**/*.ts', 'plugins/**/*.ts', 'sign-in/**/*.ts', 'routes/**/*.ts', 'gateway/**/*.ts'],
    rules: {
      // nextTick schedules and versions are constants; everything else is of the process, and is passed in.
      'no-restricted-syntax': ['error', { selector: 'MemberExpression[object.name="process"]:not([property.name=/^(nextTick|versions)$/])', message: 'cli.ts alone reads the process; pass in what is needed.' }]
    }
  },
  { files: ['cli/**/*.ts'], rules: { 'no-restricted-globals': ['error', { name: 'process', message: 'cli.ts alone reads the process; add what is needed to Edge.' }] } },
  {
    files: ['lib/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...['performance', 'setTimeout', 'setInterval', 'setImmediate'].map(name => ({ name, message: 'lib/ keeps no time; pass in the time, or the timer.' }))],
      'no-restricted-properties': ['error', { object: 'Date', property: 'now', message: 'lib/ keeps no time; pass in the time.' }],
      'no-restricted-imports': ['error', ...['node:perf_hooks', 'node:process', 'node:timers', 'node:timers/promises'].map(name => ({ name, message: 'lib/ keeps no time; pass in the time, or the timer.' }))]
    }
  }
]
