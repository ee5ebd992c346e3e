// Package venv finds the virtual environments with the Python programs that tests run.
//
// These are moto, the linters for policies and scripts, and Prefect. The Makefile creates
// them from the requirements files.
package venv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Tools returns the directory of .venv, or the one in FLOWBED_TEST_VENV. It has moto,
// parliament, cloudsplaining and shellcheck.
func Tools() (string, error) {
	return find("FLOWBED_TEST_VENV", ".venv", "bin/python", "make venv")
}

// Prefect returns the directory of .venv-prefect, or the one in FLOWBED_TEST_PREFECT. It
// has a Prefect server and its wheels.
func Prefect() (string, error) {
	return find("FLOWBED_TEST_PREFECT", ".venv-prefect", "wheels", "make .venv-prefect/wheels")
}

// Prefect1 returns the directory of .venv-prefect1, next to that of Prefect. It has Python
// 3.9 and the wheels of Prefect 1.
func Prefect1() (string, error) {
	prefect, err := Prefect()
	if err != nil {
		return "", err
	}
	return check(filepath.Join(filepath.Dir(prefect), ".venv-prefect1"), "ready", "make .venv-prefect1/ready")
}

// find returns the directory in an environment variable, or else the directory in the
// module's root.
func find(variable, name, proof, command string) (string, error) {
	if dir := os.Getenv(variable); dir != "" {
		return check(dir, proof, command)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return check(filepath.Join(root, name), proof, command)
}

// check returns an error of one line that says what is missing and how to install it.
func check(dir, proof, command string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, proof)); err != nil {
		return "", fmt.Errorf("%s is missing or incomplete: run `%s`", dir, command)
	}
	return dir, nil
}

// moduleRoot returns the directory of go.mod at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
