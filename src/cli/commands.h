/*
 * commands: the handlers of the verbs. Each gets the parsed command line, prints, and returns
 * the exit code (enum cli_exit, or that of a program it ran).
 */
#ifndef BROOD_CLI_COMMANDS_H
#define BROOD_CLI_COMMANDS_H

struct cli;

/* start.c: programs are started. */
int cmd_run(struct cli *cli);
int cmd_start(struct cli *cli);
int cmd_check(struct cli *cli);
int cmd_config(struct cli *cli);

/* show.c: the state is shown. */
int cmd_ls(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_ping(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_env(struct cli *cli);

/* explain.c */
int cmd_why(struct cli *cli);
int cmd_describe(struct cli *cli);

/* change.c: the master is told to do something. */
int cmd_reload(struct cli *cli);
int cmd_restart(struct cli *cli);
int cmd_start_app(struct cli *cli);
int cmd_stop(struct cli *cli);
int cmd_shutdown(struct cli *cli);
int cmd_scale(struct cli *cli);
int cmd_drain(struct cli *cli);
int cmd_resume(struct cli *cli);
int cmd_kill(struct cli *cli);
int cmd_signal(struct cli *cli);
int cmd_send(struct cli *cli);
int cmd_reopen(struct cli *cli);

/* stream.c: lines that come one by one. */
int cmd_logs(struct cli *cli);
int cmd_events(struct cli *cli);

/* probe.c */
int cmd_probe(struct cli *cli);

/* doctor.c */
int cmd_doctor(struct cli *cli);

/* import.c */
int cmd_import(struct cli *cli);

/* help.c */
int cmd_help(struct cli *cli);
int cmd_complete(struct cli *cli);

#endif
