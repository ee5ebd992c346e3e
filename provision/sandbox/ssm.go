package sandbox

type ssmDB struct{}
