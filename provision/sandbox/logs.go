package sandbox

type logsDB struct{}
