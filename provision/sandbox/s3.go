package sandbox

type s3DB struct{}
