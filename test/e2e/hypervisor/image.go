//go:build linux

package hypervisor

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed boot.sh image
var image embed.FS

// fromBelow lists what the host copies to the machine's disk.
var fromBelow = []string{
	"/etc/login.defs", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl",
}

// layOut fills the root directory with what a new machine has on its disk.
func (c Config) layOut(ctx context.Context, root string) error {
	for _, d := range []string{
		"dev", "doors", "etc", "home", "opt/python", "proc", "run", "root", "stand-ins", "sys", "tmp", "usr", "wheels",
		"var/lib/cloud/instance", "var/log", "var/tmp",
	} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(
		os.Chmod(filepath.Join(root, "tmp"), os.ModeSticky|0o777),
		os.Chmod(filepath.Join(root, "var/tmp"), os.ModeSticky|0o777),
		os.Chmod(filepath.Join(root, "root"), 0o700),
		Below(ctx, root), unpack(root),
	); err != nil {
		return err
	}
	environment := []string{
		"PATH=/stand-ins:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels", "PYTHON_OF_THE_TESTS=" + filepath.Base(c.Python),
		// Python looks for its library under its original path, which the machine lacks.
		"LD_LIBRARY_PATH=/opt/python/lib",
	}
	for _, e := range append(environment, c.Environ...) {
		if strings.ContainsAny(e, "\" \n%") {
			return fmt.Errorf("the machine's environment has a special character: %q", e)
		}
	}
	files := map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"etc/group":  "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", "etc/shadow": "root:*:20000:0:99999:7:::\n",
		"etc/hosts": "127.0.0.1 localhost\n", "etc/machine-id": fmt.Sprintf("%032x\n", crc32.ChecksumIEEE([]byte(c.ID))),
		"etc/systemd/system.conf.d/environment.conf": "[Manager]\nDefaultEnvironment=" +
			strings.Join(append(environment, c.Environ...), " ") + "\n",
		"var/lib/cloud/instance/user-data": c.UserData,
	}
	doorUnits(files, "metadata", "169.254.169.254:80")
	for _, port := range c.Doors {
		doorUnits(files, fmt.Sprint(port), fmt.Sprintf("127.0.0.1:%d", port))
	}
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return os.Chmod(filepath.Join(root, "var/lib/cloud/instance/user-data"), 0o700)
}

// doorUnits adds the units that forward an address of the machine to a socket on which the
// host listens.
func doorUnits(files map[string]string, door, address string) {
	files["etc/systemd/system/door-"+door+".socket"] = "[Socket]\nListenStream=" + address + "\nFreeBind=yes\n"
	files["etc/systemd/system/door-"+door+".service"] = "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd /doors/" + door + "\n"
	files["etc/systemd/system/default.target.d/"+door+".conf"] = "[Unit]\nRequires=door-" + door + ".socket\n"
	files["etc/systemd/system/cloud-final.service.d/"+door+".conf"] = "[Unit]\nAfter=door-" + door + ".socket\n"
}

// Below gives a root directory what programs in the host's /usr need beside it: the links
// into /usr, and some files of /etc. It needs a directory etc.
func Below(ctx context.Context, root string) error {
	return errors.Join(links(root), copyBelow(ctx, root))
}

// links copies the host's links into /usr.
func links(root string) error {
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64"} {
		to, err := os.Readlink("/" + name)
		if err != nil {
			continue // not every host has all of them
		}
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyBelow(ctx context.Context, root string) error {
	for _, path := range fromBelow {
		if out, err := exec.CommandContext(ctx, "cp", "-a", path, filepath.Join(root, path)).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", path, err, out)
		}
	}
	return nil
}

// unpack writes the embedded image.
func unpack(root string) error {
	return fs.WalkDir(image, "image", func(path string, d fs.DirEntry, err error) error {
		to := filepath.Join(root, strings.TrimPrefix(path, "image"))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(to, 0o755))
		}
		raw, err := image.ReadFile(path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.Contains(path, "stand-ins") {
			mode = 0o755
		}
		return os.WriteFile(to, raw, mode)
	})
}
