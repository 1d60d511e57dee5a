// A shop with its API in cluster mode, a queue worker in Python and a nightly job.
const path = require('path');

const cpus = require('os').cpus().length;
console.log('reading the ecosystem file'); // must not end up in the result

module.exports = {
  apps: [
    {
      name: 'shop-api',
      script: './server.js',
      cwd: __dirname,
      exec_mode: 'cluster',
      instances: cpus > 0 ? 'max' : 1,
      node_args: '--max-old-space-size=512',
      wait_ready: true,
      listen_timeout: 10 * 1000,
      kill_timeout: 5000,
      max_memory_restart: '600M',
      merge_logs: true,
      error_file: path.join(__dirname, 'logs/api.err.log'),
      out_file: path.join(__dirname, 'logs/api.out.log'),
      log_date_format: 'YYYY-MM-DD HH:mm:ss',
      env: { NODE_ENV: 'development', PORT: 3000, DATABASE_URL: 'postgres://me:s3cr$t@db/shop?x=${y}&z=100%' },
      env_production: { NODE_ENV: 'production' },
      env_staging: { NODE_ENV: 'staging' },
    },
    {
      name: 'mail queue',
      script: 'queue.py',
      interpreter: 'python3',
      args: ['--queue', 'mail out', '--verbose'],
      max_restarts: 10,
      min_uptime: '5s',
      restart_delay: 4000,
    },
    {
      name: 'nightly',
      script: './nightly.js',
      instances: 1,
      exec_mode: 'fork',
      autorestart: false,
      cron_restart: '0 3 * * *',
      watch: false,
    },
    { name: 'front', script: 'npm', args: 'start', cwd: path.join(__dirname, 'front') },
  ],

  deploy: {
    production: {
      user: 'deploy',
      host: ['192.0.2.10'],
      ref: 'origin/main',
      repo: 'git@git.example.org:shop.git',
      path: '/var/www/shop',
      'post-deploy': 'npm ci && pm2 reload ecosystem.config.js --env production',
      env: { RELEASE: 'production' },
    },
  },
};
