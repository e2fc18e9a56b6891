"""The command line, run as a process, its output and exit codes read as a program would."""
