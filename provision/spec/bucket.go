package spec

// AccessLogs is where S3 logs each request to the flow bucket. Without this block, flowbed
// neither reads nor changes the bucket's logging: what is on stays on, also if the file had
// the block before.
type AccessLogs struct {
	// Bucket is the name of an existing bucket, in the same account and region. flowbed never
	// changes it: its policy must let the service logging.s3.amazonaws.com write to it. The
	// plan warns if it does not.
	Bucket string `hcl:"bucket"`

	// Prefix is what the keys of the logs begin with. Default: the flow bucket's name and a
	// slash.
	Prefix string `hcl:"prefix,optional"`
}

func (l *AccessLogs) complete(b *Bucket) {
	if l != nil {
		or(&l.Prefix, b.Name+"/")
	}
}

// checkVersions checks what becomes of old versions.
func (b *Bucket) checkVersions(d *decoder) {
	if !d.has(&b.NoncurrentExpireDays) || b.NoncurrentExpireDays == 0 {
		return
	}
	if n := b.NoncurrentExpireDays; n < 0 || n > 1<<31-1 {
		d.bad(&b.NoncurrentExpireDays, "Invalid noncurrent_expire_days",
			"%s is not a number of days that S3 accepts. → use 0 to keep old versions as long as expire_days says, or the number of days after which S3 deletes them")
		return
	}
	if d.has(&b.Versioning) && b.Versioning != nil && !*b.Versioning {
		d.bad(&b.NoncurrentExpireDays, "No versions", "%s days for old versions need versioning, which is off. → remove versioning = false, or this line")
	}
}

// maxLogPrefix leaves room for the rest of a key of 1,024 bytes.
const maxLogPrefix = 900

func (b *Bucket) checkAccessLogs(d *decoder) {
	l := b.AccessLogs
	if l == nil {
		return
	}
	if why := badBucketName(l.Bucket); d.has(&l.Bucket) && why != "" {
		d.bad(&l.Bucket, "Invalid bucket name", "%s is not a valid bucket name. → %s", why)
	}
	if d.has(&l.Bucket) && l.Bucket == b.Name {
		d.bad(&l.Bucket, "Logs of the logs", "%s is the flow bucket: S3 would log each log that it writes there. → name another bucket")
	}
	if d.has(&l.Prefix) && len(l.Prefix) > maxLogPrefix {
		d.bad(&l.Prefix, "Prefix too long", "%s is too long for the keys of logs. → use at most 900 bytes")
	}
}
