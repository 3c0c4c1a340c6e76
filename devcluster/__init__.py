"""A real one-node Kubernetes in one command, so that everything we build is judged on a real cluster.

`python -m devcluster up` uses the cluster of KUBECONFIG where one answers, kind where a container engine runs, and
otherwise the embedded cluster: Kubernetes built from source and run as plain processes of this machine.
"""
