package resourcetest

// Cases are all the kinds of resources.
var Cases = []Case{Role, SharedRole, Profile, KeyPair, SecurityGroup, Bucket, LogGroup, Parameter, Cluster, SharedCluster, Instance}
