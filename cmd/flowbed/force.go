package main

import (
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/stack"
)

// force are the flags that let what holds data go with what it holds.
type force struct{ all, bucket, deployments bool }

// add adds them: all and bucket say what each of them does.
func (f *force) add(c *cobra.Command, all, bucket string) {
	c.Flags().BoolVar(&f.all, "force-destroy", false, all)
	c.Flags().BoolVar(&f.bucket, "force-destroy-bucket", false, bucket)
}

// addDeployments adds the flag for the deployments of the work pool. It is no part of --force-destroy:
// deployments are not in the environment, and their schedules may matter to somebody else.
func (f *force) addDeployments(c *cobra.Command, text string) {
	c.Flags().BoolVar(&f.deployments, "delete-deployments", false, text)
}

// forceFlag is one of the flags, and where its value is.
type forceFlag struct {
	name  string
	value *bool
}

func (f *force) flags() []forceFlag {
	return []forceFlag{{"delete-deployments", &f.deployments}, {"force-destroy", &f.all}, {"force-destroy-bucket", &f.bucket}}
}

// given are the flags that are set, as a command line has them.
func (f *force) given() (list []string) {
	for _, flag := range f.flags() {
		if *flag.value {
			list = append(list, "--"+flag.name)
		}
	}
	return list
}

// options are those of the stack with the flags in them.
func (f *force) options(o stack.Options) stack.Options {
	o.ForceDestroy, o.ForceDestroyBucket, o.DeleteDeployments = f.all, f.bucket, f.deployments
	return o
}
