package lifecycle

// Cases are all the kinds of resources.
var Cases = []Case{Role, SharedRole, Profile, KeyPair, SecurityGroup, TasksGroup, Bucket, LogGroup, Parameter, Cluster, SharedCluster, Instance}
