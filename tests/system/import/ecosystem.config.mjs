import { join } from 'node:path';

export default {
  apps: [{ name: 'esm', script: join('src', 'main.mjs'), instances: 2, env: { BIG: 9007199254740993n } }],
};
