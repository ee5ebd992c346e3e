package main

import (
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/stack"
)

// force are the flags that let what holds data go with what it holds.
type force struct{ all, bucket bool }

// add adds them: all and bucket say what each of them does.
func (f *force) add(c *cobra.Command, all, bucket string) {
	c.Flags().BoolVar(&f.all, "force-destroy", false, all)
	c.Flags().BoolVar(&f.bucket, "force-destroy-bucket", false, bucket)
}

// options are those of the stack with the flags in them.
func (f *force) options(o stack.Options) stack.Options {
	o.ForceDestroy, o.ForceDestroyBucket = f.all, f.bucket
	return o
}
